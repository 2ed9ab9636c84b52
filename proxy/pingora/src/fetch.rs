//! Gets files for clients, over connections of their own: what may be asked is for `proxy-fetch` to
//! say, here it is done.
//!
//! A name is looked up once for each step, all its addresses are checked, and the connection goes to
//! one of those very addresses. A request has the header that is written here and nothing of the
//! client's. Connections are not kept.

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};

use adapters_canonical::media::MediaKind;
use bytes::Bytes;
use conf_schema::plan::Media;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST,
    LOCATION, TRANSFER_ENCODING, USER_AGENT,
};
use http::{HeaderName, HeaderValue};
use pingora::connectors::http::v1::Connector;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora::protocols::http::v1::client::HttpSession;
use pingora::upstreams::peer::HttpPeer;
use proxy_fetch::content::{self, Declared};
use proxy_fetch::fault::Fault;
use proxy_fetch::link::{Link, Place};
use proxy_fetch::reach::Reach;
use tokio::sync::Semaphore;

use crate::dns::{Dns, NameNotFound};
use crate::head;

/// Files that are fetched at the same time for all requests together; more wait, within their time.
const AT_ONCE: usize = 64;

/// Looks names up.
pub(crate) trait Names: Sync {
    /// All addresses of a host.
    fn addresses(
        &self,
        host: &str,
    ) -> impl Future<Output = Result<Vec<IpAddr>, NameNotFound>> + Send;
}

impl Names for Dns {
    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, NameNotFound> {
        self.all(host).await
    }
}

/// Opens connections to where files are.
pub(crate) struct Fetcher {
    connector: Connector,
    room: Semaphore,
}

/// What is to be fetched for a request, and within which bounds.
pub(crate) struct Errand<'a> {
    pub(crate) rules: &'a Media,
    pub(crate) reach: &'a Reach,
    /// Bytes that may still come, for all files of the request together.
    pub(crate) left: &'a AtomicU64,
    /// Bytes that may come for all of them.
    pub(crate) most: u64,
}

/// A file.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) bytes: Bytes,
    pub(crate) mime_type: String,
    pub(crate) name: Option<String>,
}

/// Why there is none, and whose host did not give it, for the log.
#[derive(Debug)]
pub(crate) struct NoFile {
    pub(crate) fault: Fault,
    pub(crate) host: Option<String>,
}

enum Step {
    Here(File),
    /// What `location` says.
    Elsewhere(String),
}

impl Fetcher {
    pub(crate) fn new() -> Self {
        Self { connector: Connector::new(None), room: Semaphore::new(AT_ONCE) }
    }

    /// The file at an address.
    pub(crate) async fn fetch(
        &self,
        names: &impl Names,
        errand: &Errand<'_>,
        kind: MediaKind,
        url: &str,
    ) -> Result<File, NoFile> {
        let mut link = Link::parse(url, errand.rules.allow_http)
            .map_err(|fault| NoFile { fault, host: None })?;
        let walk = async {
            let _place = self.room.acquire().await.map_err(|_| Fault::Connection)?;
            for _ in 0..=errand.rules.redirects {
                match self.step(names, errand, kind, &link).await? {
                    Step::Here(file) => return Ok(file),
                    Step::Elsewhere(location) => link = link.follow(&location)?,
                }
            }
            Err(Fault::TooManyRedirects)
        };
        let ended = tokio::time::timeout(errand.rules.timeout, walk).await;
        let host = || Some(link.authority());
        ended.unwrap_or(Err(Fault::TimedOut)).map_err(|fault| NoFile { fault, host: host() })
    }

    async fn step(
        &self,
        names: &impl Names,
        errand: &Errand<'_>,
        kind: MediaKind,
        link: &Link,
    ) -> Result<Step, Fault> {
        let found = match link.place() {
            Place::Address(address) => vec![address],
            Place::Name(name) => {
                names.addresses(name).await.map_err(|NameNotFound| Fault::NameNotFound)?
            }
        };
        let address = errand.reach.choose(link, &found)?;
        let mut session = self.connect(link, address).await?;
        let request = request(kind, link).map_err(|_| Fault::Url("cannot be asked for"))?;
        session.write_request_header(Box::new(request)).await.map_err(|_| Fault::Connection)?;
        let header = answer(&mut session).await?;
        let value = |name: &HeaderName| header.headers.get(name).map(HeaderValue::as_bytes);
        match header.status.as_u16() {
            200 => {}
            301 | 302 | 303 | 307 | 308 => {
                let location = value(&LOCATION).and_then(|it| std::str::from_utf8(it).ok());
                let location = location.ok_or(Fault::Answer("leads nowhere"))?;
                return Ok(Step::Elsewhere(location.to_owned()));
            }
            status => return Err(Fault::Status(status)),
        }
        let (declared, length) = expected(kind, &header)?;
        let bytes = read(&mut session, errand, length).await?;
        let mime_type = content::media_type(kind, declared, &bytes)?;
        let name = link.file_name().map(str::to_owned);
        Ok(Step::Here(File { bytes, mime_type, name }))
    }

    /// A new connection to the address that was checked.
    async fn connect(&self, link: &Link, address: SocketAddr) -> Result<HttpSession, Fault> {
        // Never empty with TLS: Pingora takes an empty name for leave to skip verification.
        let name = match link.place() {
            Place::Name(name) => name.to_owned(),
            Place::Address(address) => address.to_string(),
        };
        let peer = HttpPeer::new(address, link.is_tls(), name);
        let (session, _) = self.connector.get_http_session(&peer).await.map_err(|error| {
            tracing::debug!(%error, "no connection to where a file is");
            Fault::Connection
        })?;
        Ok(session)
    }
}

fn request(kind: MediaKind, link: &Link) -> pingora::Result<RequestHeader> {
    let accept = match kind {
        MediaKind::Image => "image/*",
        MediaKind::Audio => "audio/*",
        MediaKind::Video => "video/*",
        MediaKind::Document => "application/pdf, text/*, application/*;q=0.5",
    };
    let mut header = RequestHeader::build("GET", link.target().as_bytes(), Some(6))?;
    header.insert_header(HOST, link.authority())?;
    header.insert_header(ACCEPT, accept)?;
    // What is packed small may be as large as it likes when it is unpacked.
    header.insert_header(ACCEPT_ENCODING, "identity")?;
    header.insert_header(USER_AGENT, head::AGENT)?;
    header.insert_header(CONNECTION, "close")?;
    Ok(header)
}

/// The header of the answer that is one.
async fn answer(session: &mut HttpSession) -> Result<ResponseHeader, Fault> {
    loop {
        session.read_response().await.map_err(|_| Fault::Connection)?;
        let header = session.resp_header().ok_or(Fault::Connection)?;
        match header.status.as_u16() {
            101 => return Err(Fault::Answer("is another protocol")),
            100..=199 => {}
            _ => return Ok(header.clone()),
        }
    }
}

/// What is said to come, and how many bytes of it.
fn expected(kind: MediaKind, header: &ResponseHeader) -> Result<(Declared, u64), Fault> {
    let text = |name: &HeaderName| header.headers.get(name).and_then(|value| value.to_str().ok());
    if header.headers.get(CONTENT_ENCODING).is_some_and(|it| !is(it, "identity"))
        || header.headers.get_all(TRANSFER_ENCODING).iter().any(|it| !is(it, "chunked"))
    {
        return Err(Fault::Answer("is packed"));
    }
    let declared = content::declared(kind, text(&CONTENT_TYPE))?;
    let length = text(&CONTENT_LENGTH).and_then(|length| length.parse().ok());
    Ok((declared, length.unwrap_or(0)))
}

fn is(value: &HeaderValue, word: &str) -> bool {
    value.as_bytes().eq_ignore_ascii_case(word.as_bytes())
}

/// All of the body, if that is not too much.
async fn read(
    session: &mut HttpSession,
    errand: &Errand<'_>,
    announced: u64,
) -> Result<Bytes, Fault> {
    let Errand { left, most, .. } = errand;
    let limit = errand.rules.max_bytes;
    if announced > limit {
        return Err(Fault::TooLarge { limit });
    }
    if announced > left.load(Ordering::Relaxed) {
        return Err(Fault::TooLarge { limit: *most });
    }
    let mut body = Vec::with_capacity(usize::try_from(announced).unwrap_or(0));
    while let Some(piece) = session.read_body_ref().await.map_err(|_| Fault::Connection)? {
        let more = piece.len() as u64;
        if body.len() as u64 + more > limit {
            return Err(Fault::TooLarge { limit });
        }
        let taken = |left: u64| left.checked_sub(more);
        if left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, taken).is_err() {
            return Err(Fault::TooLarge { limit: *most });
        }
        body.extend_from_slice(piece);
    }
    Ok(body.into())
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use conf_schema::plan::Fetch;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// A name server that gives these answers, one after the other, and no more.
    struct Fickle(Mutex<Vec<&'static str>>);

    impl Names for Fickle {
        async fn addresses(&self, _: &str) -> Result<Vec<IpAddr>, NameNotFound> {
            let mut answers = self.0.lock().unwrap();
            answers.pop().map(|address| vec![address.parse().unwrap()]).ok_or(NameNotFound)
        }
    }

    fn fickle(answers: &[&'static str]) -> Fickle {
        Fickle(Mutex::new(answers.iter().rev().copied().collect()))
    }

    /// Serves these answers on as many connections; gives what was asked.
    async fn serve(answers: Vec<String>) -> (u16, tokio::task::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let serving = tokio::spawn(async move {
            let mut asked = Vec::new();
            for answer in answers {
                let (mut socket, _) = listener.accept().await.unwrap();
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(socket.read_u8().await.unwrap());
                }
                asked.push(String::from_utf8(head).unwrap());
                socket.write_all(answer.as_bytes()).await.unwrap();
            }
            asked
        });
        (port, serving)
    }

    async fn fetch(names: &Fickle, url: &str) -> Result<File, Fault> {
        let rules = Media {
            fetch: Fetch::On,
            max_bytes: 1 << 20,
            max_files: 1,
            timeout: Duration::from_secs(20),
            redirects: 2,
            allow_http: true,
            allow: vec!["127.0.0.1/32".parse().unwrap()],
        };
        let reach = Reach { allow: rules.allow.clone() };
        let (left, most) = (&AtomicU64::new(1 << 20), 1 << 20);
        let errand = Errand { rules: &rules, reach: &reach, left, most };
        let fetched = Fetcher::new().fetch(names, &errand, MediaKind::Document, url).await;
        fetched.map_err(|NoFile { fault, .. }| fault)
    }

    const TEXT: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nhi";

    #[tokio::test]
    async fn the_address_that_was_checked_is_the_one_that_is_connected_to() {
        let (port, served) = serve(vec![TEXT.to_owned()]).await;
        // Asked once more it would lead elsewhere.
        let names = fickle(&["127.0.0.1", "169.254.169.254"]);
        let file = fetch(&names, &format!("http://rebind.example:{port}/a.txt")).await.unwrap();
        assert_eq!((&*file.bytes, file.mime_type.as_str()), (&b"hi"[..], "text/plain"));
        assert_eq!(file.name.as_deref(), Some("a.txt"));
        assert_eq!(names.0.lock().unwrap().len(), 1, "the name is looked up once");
        let asked = served.await.unwrap();
        assert!(asked[0].contains(&format!("rebind.example:{port}\r\n")), "{asked:?}");
    }

    #[tokio::test]
    async fn a_redirection_to_the_same_name_is_looked_up_and_checked_anew() {
        let again = "HTTP/1.1 307 x\r\nlocation: /b.txt\r\ncontent-length: 0\r\n\r\n".to_owned();
        let (port, served) = serve(vec![again.clone(), TEXT.to_owned()]).await;
        let url = format!("http://rebind.example:{port}/a.txt");
        let file = fetch(&fickle(&["127.0.0.1", "127.0.0.1"]), &url).await.unwrap();
        assert_eq!(file.name.as_deref(), Some("b.txt"));
        assert_eq!(served.await.unwrap().len(), 2);
        let (port, served) = serve(vec![again]).await;
        let url = format!("http://rebind.example:{port}/a.txt");
        let fault = fetch(&fickle(&["127.0.0.1", "10.0.0.1"]), &url).await.unwrap_err();
        assert!(matches!(fault, Fault::Barred(_)), "{fault:?}");
        served.await.unwrap();
    }

    #[tokio::test]
    async fn what_comes_before_an_answer_is_passed_over_and_another_protocol_is_none() {
        let early = format!("HTTP/1.1 103 Early\r\nlink: x\r\n\r\n{TEXT}");
        let (port, _served) = serve(vec![early]).await;
        let url = format!("http://127.0.0.1:{port}/");
        assert_eq!(&*fetch(&fickle(&[]), &url).await.unwrap().bytes, b"hi");
        let other = "HTTP/1.1 101 Switching\r\nupgrade: x\r\n\r\n".to_owned();
        let (port, _served) = serve(vec![other]).await;
        let fault = fetch(&fickle(&[]), &format!("http://127.0.0.1:{port}/")).await.unwrap_err();
        assert_eq!(fault, Fault::Answer("is another protocol"));
    }
}
