//! What a TLS listener shows of itself, as the configuration says at this moment.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use arc_swap::ArcSwap;
use conf_schema::plan::{ListenerTls, Plan};
use pingora::listeners::tls::TlsSettings;
use rustls::RootCertStore;
use rustls::crypto::{CryptoProvider, ring};
use rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use rustls::sign::CertifiedKey;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};

/// Why a listener cannot speak TLS. Says nothing of the key.
pub(crate) type Unusable = Box<dyn std::error::Error + Send + Sync>;

/// TLS with ALPN for HTTP/2 and HTTP/1.1. The certificate follows `plan`: a new one that cannot be
/// used is logged, and the old one stays.
///
/// # Errors
///
/// [`Unusable`] if what the plan says now cannot be used.
pub(crate) fn settings(
    address: SocketAddr,
    tls: &ListenerTls,
    plan: &Arc<ArcSwap<Plan>>,
) -> Result<TlsSettings, Unusable> {
    let provider = Arc::new(ring::default_provider());
    let shown = Arc::new(certified(tls, &provider)?);
    let mut settings = TlsSettings::intermediate("", "")?;
    settings.enable_h2();
    if let Some(authorities) = &tls.client_ca {
        let mut roots = RootCertStore::empty();
        for authority in CertificateDer::pem_slice_iter(authorities) {
            roots.add(authority?)?;
        }
        let verifier =
            WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider));
        settings.set_client_cert_verifier(verifier.build()?);
    }
    settings.set_cert_resolver(Arc::new(Certificates {
        address,
        plan: Arc::clone(plan),
        provider,
        current: ArcSwap::from_pointee(Current { plan: Weak::new(), shown }),
        renewing: Mutex::new(()),
    }));
    Ok(settings)
}

/// Follows the plan from handshake to handshake.
#[derive(Debug)]
struct Certificates {
    address: SocketAddr,
    plan: Arc<ArcSwap<Plan>>,
    provider: Arc<CryptoProvider>,
    current: ArcSwap<Current>,
    /// Held by the one that looks at a new plan, so that it is looked at once.
    renewing: Mutex<()>,
}

#[derive(Debug)]
struct Current {
    /// The plan that was looked at last.
    plan: Weak<Plan>,
    shown: Arc<CertifiedKey>,
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let current = self.current.load();
        let plan = self.plan.load();
        if std::ptr::eq(current.plan.as_ptr(), Arc::as_ptr(&plan)) {
            return Some(Arc::clone(&current.shown));
        }
        drop(current);
        Some(self.renew(&plan))
    }
}

impl Certificates {
    fn renew(&self, plan: &Arc<Plan>) -> Arc<CertifiedKey> {
        let _one = self.renewing.lock().unwrap_or_else(PoisonError::into_inner);
        let current = self.current.load_full();
        if std::ptr::eq(current.plan.as_ptr(), Arc::as_ptr(plan)) {
            return Arc::clone(&current.shown);
        }
        let listener = plan.listeners.iter().find(|listener| listener.address == self.address);
        let fresh = listener.and_then(|listener| listener.tls.as_ref());
        let shown = match fresh.map(|tls| certified(tls, &self.provider)) {
            Some(Ok(fresh)) => Arc::new(fresh),
            Some(Err(error)) => {
                let address = self.address;
                tracing::error!(%address, %error, "the new certificate cannot be used; the old one stays");
                Arc::clone(&current.shown)
            }
            // A change of listeners needs a restart.
            None => Arc::clone(&current.shown),
        };
        let plan = Arc::downgrade(plan);
        self.current.store(Arc::new(Current { plan, shown: Arc::clone(&shown) }));
        shown
    }
}

fn certified(tls: &ListenerTls, provider: &CryptoProvider) -> Result<CertifiedKey, Unusable> {
    let chain = CertificateDer::pem_slice_iter(&tls.certificates).collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(tls.key.expose().as_bytes())?;
    Ok(CertifiedKey::from_der(chain, key, provider)?)
}
