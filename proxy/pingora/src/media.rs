//! What of a request must be fetched before its provider can be asked, and what was.

use std::pin::Pin;
use std::sync::atomic::AtomicU64;

use adapters_canonical::failure::{Failure, MediaFault};
use adapters_canonical::loss::DecodeError;
use adapters_canonical::media::{Fetched, MediaKind, Remote, remote};
use adapters_openai::quirk::Quirk;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use conf_schema::plan::{Fetch, Plan};
use futures_util::StreamExt as _;
use futures_util::stream;
use pingora_proxy::Session;
use proxy_fetch::reach::Reach;
use proxy_route::Choice;
use proxy_telemetry::FetchOutcome;

use crate::ctx::{ChatExchange, Ctx};
use crate::edge::check_memory;
use crate::fetch::{Errand, File, NoFile};
use crate::gateway::Gateway;
use crate::routing::{Placeless, idle};
use crate::snapshot::Snapshot;
use crate::task::Task;
use crate::upstream::Face;

/// Files that are fetched at the same time for one request.
const AT_ONCE: usize = 4;

/// What was to be fetched for a request, whatever came of it: nothing is asked for twice.
#[derive(Default)]
pub(crate) struct Files(Vec<Known>);

struct Known {
    kind: MediaKind,
    url: String,
    got: Result<File, MediaFault>,
}

impl Files {
    fn known(&self, kind: MediaKind, url: &str) -> Option<&Result<File, MediaFault>> {
        let is = |known: &&Known| known.kind == kind && known.url == url;
        self.0.iter().find(is).map(|known| &known.got)
    }

    fn file(&self, kind: MediaKind, url: &str) -> Option<&File> {
        self.known(kind, url)?.as_ref().ok()
    }

    fn bytes(&self) -> u64 {
        self.0.iter().flat_map(|known| &known.got).map(|file| file.bytes.len() as u64).sum()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A file as a part of a canonical request.
    pub(crate) fn fetched(&self, kind: MediaKind, url: &str) -> Option<Fetched> {
        let File { bytes, mime_type, name } = self.file(kind, url)?;
        let (mime_type, name) = (mime_type.clone(), name.clone());
        Some(Fetched { base64: BASE64_STANDARD.encode(bytes), mime_type, name })
    }

    /// A picture as its own address.
    pub(crate) fn data_url(&self, url: &str) -> Option<String> {
        let File { bytes, mime_type, .. } = self.file(MediaKind::Image, url)?;
        let mut data = format!("data:{mime_type};base64,");
        BASE64_STANDARD.encode_string(bytes, &mut data);
        Some(data)
    }
}

impl Gateway {
    /// Fetches what the provider of this place wants as data and the request has at an address.
    pub(crate) async fn bring(
        &self,
        session: &mut Session,
        ctx: &mut Ctx,
        choice: &Choice,
    ) -> Result<(), Placeless> {
        let Ctx { snapshot, chat: Some(chat), request_id, moment, .. } = ctx else {
            return Ok(());
        };
        if snapshot.plan.media.fetch == Fetch::Off || !has_media(chat.task) {
            return Ok(());
        }
        let Some((face, passes)) = face(chat, snapshot, choice) else { return Ok(()) };
        let Some(wanted) = wanted(chat, face, passes) else { return Ok(()) };
        let missing = missing(chat, &wanted, snapshot).map_err(Placeless::Refused)?;
        if !missing.is_empty() {
            let plan = &snapshot.plan;
            check_memory(&self.metrics, &plan.limits).map_err(Placeless::Refused)?;
            let fetching = self.fetch_all(&missing, &mut chat.files, plan, request_id);
            // A client that goes away takes its errands with it.
            let fetched = idle(session, fetching).await.map_err(Placeless::Gone)?;
            *moment = None;
            fetched.map_err(Placeless::Refused)?;
        }
        if !passes {
            chat.embed(face.egress);
        }
        Ok(())
    }

    async fn fetch_all(
        &self,
        missing: &[Remote],
        files: &mut Files,
        plan: &Plan,
        request_id: &str,
    ) -> Result<(), Failure> {
        let rules = &plan.media;
        let most = plan.limits.request_body_bytes;
        let left = AtomicU64::new(most.saturating_sub(files.bytes()));
        let reach = Reach { allow: rules.allow.clone() };
        let errand = &Errand { rules, reach: &reach, left: &left, most };
        let fetch = |remote: &'_ Remote| {
            let (kind, url) = (remote.kind, remote.url.clone());
            let fetching = async move { self.fetcher.fetch(&self.dns, errand, kind, &url).await };
            Box::pin(fetching) as Pin<Box<dyn Future<Output = Result<File, NoFile>> + Send + '_>>
        };
        let fetches: Vec<_> = missing.iter().map(fetch).collect();
        let mut fetched = stream::iter(fetches).buffered(AT_ONCE);
        for remote in missing {
            let Some(got) = fetched.next().await else { break };
            self.metrics
                .media
                .ended(outcome(&got), got.as_ref().map_or(0, |it| it.bytes.len() as u64));
            let got = got.map_err(|NoFile { fault, host }| {
                tracing::info!(request_id, host, reason = %fault, "a file was not fetched");
                fault.told()
            });
            let failed = got.as_ref().err().copied();
            files.0.push(Known { kind: remote.kind, url: remote.url.clone(), got });
            if let Some(fault) = failed {
                return Err(not_fetched(remote, fault));
            }
        }
        Ok(())
    }
}

/// Adds to a refusal that the gateway could fetch what stands at an address there.
pub(crate) fn hint(
    chat: &mut ChatExchange,
    snapshot: &Snapshot,
    face: Face,
    failure: Failure,
) -> Failure {
    if snapshot.plan.media.fetch == Fetch::On || !has_media(chat.task) {
        return failure;
    }
    let Failure::RequestNotExpressible { provider, error: DecodeError::Shape { path, reason } } =
        failure
    else {
        return failure;
    };
    let wanted = wanted(chat, face, false).unwrap_or_default();
    let reason = match wanted.iter().any(|remote| remote.path.starts_with(&path)) {
        true => format!("{reason}; the gateway would fetch it with `media.fetch: on`"),
        false => reason,
    };
    Failure::RequestNotExpressible { provider, error: DecodeError::Shape { path, reason } }
}

fn has_media(task: Task) -> bool {
    match task {
        Task::Chat | Task::Count(_) => true,
        Task::Embed(_) | Task::Pass(_) => false,
    }
}

/// What the place is spoken to in, and whether bytes pass to it. Nothing if there is nothing to do.
fn face(chat: &ChatExchange, snapshot: &Snapshot, choice: &Choice) -> Option<(Face, bool)> {
    let target = chat.resolved.targets().get(choice.place.target)?;
    let upstream = snapshot.upstream(&target.provider)?;
    let face = upstream.face(chat.ingress.dialect(), chat.task);
    let passes = chat.ingress.dialect() == face.dialect;
    // What its own clients write, a provider takes; who imitates another may not.
    (!passes || upstream.quirks().has(Quirk::NoImageUrls)).then_some((face, passes))
}

/// What is wanted as data, named as the client names it. A request that cannot be read is told so
/// where it is said.
fn wanted(chat: &mut ChatExchange, face: Face, passes: bool) -> Option<Vec<Remote>> {
    let ingress = chat.ingress;
    let asked = &chat.canonical().ok()?.value;
    let mut wanted = remote(asked, face.egress);
    if passes {
        wanted.retain(|remote| remote.kind == MediaKind::Image);
    }
    for remote in &mut wanted {
        remote.path = ingress.client_path(asked, &remote.path).into_owned();
    }
    Some(wanted)
}

/// What of it has not been fetched.
fn missing(
    chat: &ChatExchange,
    wanted: &[Remote],
    snapshot: &Snapshot,
) -> Result<Vec<Remote>, Failure> {
    let limit = snapshot.plan.media.max_files;
    let mut missing = Vec::new();
    for remote in wanted {
        match chat.files.known(remote.kind, &remote.url) {
            Some(Ok(_)) => {}
            Some(Err(fault)) => return Err(not_fetched(remote, *fault)),
            None if chat.files.0.len() + missing.len() >= limit => {
                return Err(not_fetched(remote, MediaFault::TooMany { limit }));
            }
            None => missing.push(remote.clone()),
        }
    }
    Ok(missing)
}

fn not_fetched(remote: &Remote, fault: MediaFault) -> Failure {
    Failure::MediaNotFetched { path: remote.path.clone(), fault }
}

fn outcome(got: &Result<File, NoFile>) -> FetchOutcome {
    let Err(NoFile { fault, .. }) = got else { return FetchOutcome::Fetched };
    match fault.told() {
        MediaFault::Refused | MediaFault::TooMany { .. } => FetchOutcome::Refused,
        MediaFault::Failed { .. } => FetchOutcome::Failed,
        MediaFault::TooLarge { .. } => FetchOutcome::TooLarge,
        MediaFault::TimedOut => FetchOutcome::TimedOut,
        MediaFault::WrongKind => FetchOutcome::WrongKind,
    }
}
