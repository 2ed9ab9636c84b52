//! OpenAI's other endpoints, whose bytes pass: which there are, where a request for one goes, and what
//! passes of it.
//!
//! Most name a model and are routed by it. Files and batches name none, and live in the account in which
//! they were made: they go to one account, the first of its provider unless the request says another, so
//! that whoever made one finds it again without the gateway keeping anything.

use std::borrow::Cow;
use std::sync::Arc;

use adapters_canonical::failure::Failure;
use adapters_canonical::ingress::Envelope;
use adapters_canonical::loss::DecodeError;
use adapters_openai::ingress::read_optional_envelope;
use adapters_openai::multipart::{self, Field, Unwanted, Watch};
use adapters_openai::passthrough::rewrite_request;
use bytes::Bytes;
use conf_schema::plan::{Account, Dialect, Plan, Provider, Target, When};
use http::header::{ACCEPT, CONTENT_DISPOSITION, CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderName, HeaderValue, Method};
use pingora::Result;
use pingora::http::{RequestHeader, ResponseHeader};
use pingora_proxy::Session;
use proxy_route::resolve::{self, Resolved};
use proxy_telemetry::Heartbeats;

use crate::body::{self, Beginning, Unread};
use crate::buffered;
use crate::course::{Ask, Course};
use crate::ctx::{ChatExchange, Ctx};
use crate::handle::{Beats, Upload, unwanted};
use crate::head::{self, Media};
use crate::task::Task;

/// Names the model of a request that does not, or says it too late.
const MODEL: &str = "x-penstock-model";
/// Names the provider, or `provider/account`, of a request that names no model.
const PROVIDER: &str = "x-penstock-provider";
/// The parameters of lists that travel. Others may be a key of ours.
const QUERY: [&str; 5] = ["after", "before", "limit", "order", "purpose"];

/// An endpoint whose bytes pass.
pub(crate) struct Endpoint {
    /// What the log and the metrics call it.
    pub(crate) pattern: &'static str,
    /// What metrics call what is asked for there.
    pub(crate) operation: &'static str,
    pub(crate) methods: &'static [Method],
    /// The same, as `allow` has it.
    pub(crate) allowed: &'static str,
    /// Whether what is asked for lives in an account, and no model is named.
    in_account: bool,
    /// Whether the answer may be of any kind and size, whatever it says of itself.
    raw: bool,
}

const POST: (&[Method], &str) = (&[Method::POST], "POST");
const GET: (&[Method], &str) = (&[Method::GET], "GET");
const GET_POST: (&[Method], &str) = (&[Method::GET, Method::POST], "GET, POST");
const GET_DELETE: (&[Method], &str) = (&[Method::GET, Method::DELETE], "GET, DELETE");

const fn of_model(pattern: &'static str, operation: &'static str) -> Endpoint {
    let (methods, allowed) = POST;
    Endpoint { pattern, operation, methods, allowed, in_account: false, raw: false }
}

const fn in_account(
    pattern: &'static str,
    operation: &'static str,
    (methods, allowed): (&'static [Method], &'static str),
) -> Endpoint {
    Endpoint { pattern, operation, methods, allowed, in_account: true, raw: false }
}

static COMPLETIONS: Endpoint = of_model("/v1/completions", "text_completion");
static MODERATIONS: Endpoint = of_model("/v1/moderations", "moderation");
static RERANK: Endpoint = of_model("/v1/rerank", "rerank");
static IMAGE_GENERATIONS: Endpoint = of_model("/v1/images/generations", "image_generation");
static IMAGE_EDITS: Endpoint = of_model("/v1/images/edits", "image_generation");
static IMAGE_VARIATIONS: Endpoint = of_model("/v1/images/variations", "image_generation");
static IMAGES: Endpoint = of_model("/v1/images/{operation}", "image_generation");
static SPEECH: Endpoint = of_model("/v1/audio/speech", "speech");
static TRANSCRIPTIONS: Endpoint = of_model("/v1/audio/transcriptions", "transcription");
static TRANSLATIONS: Endpoint = of_model("/v1/audio/translations", "transcription");
static AUDIO: Endpoint = of_model("/v1/audio/{operation}", "audio");
static FILES: Endpoint = in_account("/v1/files", "files", GET_POST);
static FILE: Endpoint = in_account("/v1/files/{id}", "files", GET_DELETE);
static FILE_CONTENT: Endpoint =
    Endpoint { raw: true, ..in_account("/v1/files/{id}/content", "files", GET) };
static BATCHES: Endpoint = in_account("/v1/batches", "batches", GET_POST);
static BATCH: Endpoint = in_account("/v1/batches/{id}", "batches", GET);
static BATCH_CANCEL: Endpoint = in_account("/v1/batches/{id}/cancel", "batches", POST);

/// What is at `path`, if it is one of them.
pub(crate) fn find(path: &str) -> Option<&'static Endpoint> {
    let segments: Vec<_> = path.strip_prefix("/v1/")?.split('/').collect();
    // It is put together with the provider's address: nothing in it may lead elsewhere.
    if !segments.iter().all(|segment| is_plain(segment)) {
        return None;
    }
    Some(match segments.as_slice() {
        ["completions"] => &COMPLETIONS,
        ["moderations"] => &MODERATIONS,
        ["rerank"] => &RERANK,
        ["images", "generations"] => &IMAGE_GENERATIONS,
        ["images", "edits"] => &IMAGE_EDITS,
        ["images", "variations"] => &IMAGE_VARIATIONS,
        ["images", _] => &IMAGES,
        ["audio", "speech"] => &SPEECH,
        ["audio", "transcriptions"] => &TRANSCRIPTIONS,
        ["audio", "translations"] => &TRANSLATIONS,
        ["audio", _] => &AUDIO,
        ["files"] => &FILES,
        ["files", _] => &FILE,
        ["files", _, "content"] => &FILE_CONTENT,
        ["batches"] => &BATCHES,
        ["batches", _] => &BATCH,
        ["batches", _, "cancel"] => &BATCH_CANCEL,
        _ => return None,
    })
}

fn is_plain(segment: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    !segment.is_empty() && !segment.starts_with('.') && segment.bytes().all(plain)
}

/// What passes of a request beside its body.
pub(crate) struct Passing {
    endpoint: &'static Endpoint,
    method: Method,
    /// Path and query below the provider's base URL.
    pub(crate) path: String,
    content_type: Option<HeaderValue>,
    accept: Option<HeaderValue>,
    /// Where the model's name stands in a form, without quotes.
    is_form: bool,
    /// Of a body that goes up while it comes in: how long its beginning is, and all of it, if it says
    /// so.
    upload: Option<(usize, Option<u64>)>,
}

impl Passing {
    fn of(header: &RequestHeader, endpoint: &'static Endpoint) -> Self {
        let path = header.uri.path();
        let mut path = path.strip_prefix("/v1").unwrap_or(path).to_owned();
        let pairs = header.uri.query().into_iter().flat_map(|query| query.split('&'));
        let known = pairs.filter(|pair| {
            let name = pair.split_once('=').map_or(*pair, |(name, _)| name);
            QUERY.contains(&name)
        });
        for (at, pair) in known.enumerate() {
            path.push(if at == 0 { '?' } else { '&' });
            path.push_str(pair);
        }
        Self {
            endpoint,
            method: header.method.clone(),
            path,
            content_type: header.headers.get(CONTENT_TYPE).cloned(),
            accept: header.headers.get(ACCEPT).cloned(),
            is_form: false,
            upload: None,
        }
    }

    /// Whether the body goes up while it comes in.
    pub(crate) fn uploads(&self) -> bool {
        self.upload.is_some()
    }

    /// The body as the provider gets it, or its beginning.
    pub(crate) fn body(&self, body: &Bytes, envelope: &Envelope<'_>, model: &str) -> Bytes {
        match envelope.model_span.clone() {
            Some(span) if envelope.model != model => match self.is_form {
                true => multipart::replace(body, span, model).into(),
                false => rewrite_request(body, envelope, model, false).into(),
            },
            Some(_) | None => body.clone(),
        }
    }

    /// Says in the upstream's header what the body is that begins with `beginning` bytes.
    pub(crate) fn describe(&self, beginning: usize, header: &mut RequestHeader) -> Result<()> {
        header.set_method(self.method.clone());
        match &self.content_type {
            Some(content_type) => header.insert_header(CONTENT_TYPE, content_type)?,
            None => drop(header.remove_header(&CONTENT_TYPE)),
        }
        header.insert_header(ACCEPT, self.accept.clone().unwrap_or(ANYTHING))?;
        match self.upload {
            None => header.insert_header(CONTENT_LENGTH, beginning)?,
            // The rest is as long as it was; the beginning may have grown.
            Some((read, Some(all))) => {
                let rest = all.saturating_sub(read as u64);
                header.insert_header(CONTENT_LENGTH, rest.saturating_add(beginning as u64))?;
            }
            // Then it goes in chunks.
            Some((_, None)) => drop(header.remove_header(&CONTENT_LENGTH)),
        }
        Ok(())
    }

    /// Whether an answer passes piece by piece, whatever it is.
    pub(crate) fn is_raw(&self, answer: &ResponseHeader) -> bool {
        let said = answer.headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let json = said.is_none_or(|said| said.starts_with("application/json"));
        self.endpoint.raw || !json
    }
}

const ANYTHING: HeaderValue = HeaderValue::from_static("*/*");
/// What an answer says of its own form, which passes with it.
static OF_FORM: [HeaderName; 3] = [CONTENT_TYPE, CONTENT_DISPOSITION, CONTENT_LENGTH];

/// Says of an answer that passes what it says of itself.
pub(crate) fn keep_form(from: &ResponseHeader, to: &mut ResponseHeader) -> Result<()> {
    to.remove_header(&CONTENT_TYPE);
    for name in &OF_FORM {
        if let Some(value) = from.headers.get(name) {
            to.insert_header(name, value)?;
        }
    }
    Ok(())
}

/// Reads as much of the request as must be known before it can go anywhere, and finds out where it may
/// go.
pub(crate) async fn read(
    session: &mut Session,
    ctx: &mut Ctx,
    endpoint: &'static Endpoint,
    heartbeats: Heartbeats,
) -> std::result::Result<(), Unread> {
    let opted_out = head::no_retry(session.req_header()).map_err(Unread::Refused)?;
    let mut passing = Passing::of(session.req_header(), endpoint);
    let snapshot = Arc::clone(&ctx.snapshot);
    let Read { beginning, model, envelope, watch } =
        read_what_is_asked(session, &mut passing, &snapshot.plan).await?;
    let way = match model {
        Some(model) => Way::by_model(&snapshot.plan, model),
        None => Way::without_model(&snapshot.plan, session.req_header(), endpoint),
    };
    let Way { name, resolved, account } = way.map_err(Unread::Refused)?;
    ctx.waited();
    let now = ctx.now();
    let envelope = Envelope { model: Cow::Owned(name), ..envelope };
    let Beginning { bytes, more } = beginning;
    let ask = Ask {
        header: session.req_header(),
        caller: &ctx.caller,
        ingress: ctx.ingress,
        task: Task::Pass(endpoint),
        body: &bytes,
        envelope: &envelope,
        // What is made twice stays there twice.
        opted_out: opted_out || (endpoint.in_account && passing.method != Method::GET),
    };
    let mut course = Course::new(&snapshot, &resolved, &ask, now);
    if let Some((account, of)) = account {
        course.pin(account, of);
    }
    if course.fits_nowhere() {
        let model = envelope.model.into_owned();
        return Err(Unread::Refused(Failure::NoTargetMatches { model }));
    }
    let beats = envelope.stream.then(|| Beats {
        rhythm: snapshot.plan.heartbeat,
        media: Media::Events,
        words: ctx.ingress.heartbeat(envelope.framing),
        request_id: ctx.request_id.clone(),
        dialect: ctx.ingress.dialect(),
        counter: heartbeats,
    });
    let upload = more.then(|| Upload::of(&snapshot.plan.limits, bytes.len() as u64, watch));
    let handle = buffered::install(session, beats, upload);
    let mut chat = ChatExchange::new(handle, ctx.ingress, bytes, envelope, resolved, course);
    chat.task = Task::Pass(endpoint);
    chat.passing = Some(Box::new(passing));
    ctx.chat = Some(Box::new(chat));
    Ok(())
}

struct Read {
    beginning: Beginning,
    model: Option<String>,
    envelope: Envelope<'static>,
    /// Sees to it that the rest of a form names no other model.
    watch: Option<Watch>,
}

async fn read_what_is_asked(
    session: &mut Session,
    passing: &mut Passing,
    plan: &Plan,
) -> std::result::Result<Read, Unread> {
    let malformed = |error| Unread::Refused(Failure::BodyMalformed(error));
    let said = passing.content_type.as_ref().and_then(|value| value.to_str().ok());
    let boundary = said.and_then(multipart::boundary).map(str::to_owned);
    let Some(boundary) = boundary else {
        if !body::may_be_json(session) {
            return Err(Unread::Refused(Failure::MediaTypeUnsupported));
        }
        let bytes = body::read(session, &plan.limits).await?;
        let envelope = match bytes.is_empty() {
            true => None,
            false => read_optional_envelope(&bytes).map_err(malformed)?.map(Envelope::into_owned),
        };
        let model = envelope.as_ref().map(|envelope| envelope.model.to_string());
        let envelope = envelope.unwrap_or_default();
        let beginning = Beginning { bytes, more: false };
        return Ok(Read { beginning, model, envelope, watch: None });
    };
    passing.is_form = true;
    let wants_model = !passing.endpoint.in_account;
    let enough =
        |read: &[u8]| !wants_model || multipart::find(read, &boundary, "model") != Field::NotYet;
    let beginning = body::read_beginning(session, &plan.limits, enough).await?;
    if beginning.more {
        passing.upload = Some((beginning.bytes.len(), body::announced_length(session)));
    }
    let mut watch = wants_model.then(|| Watch::new(&boundary, "model"));
    if let Some(watch) = &mut watch {
        let pushed = watch.push(&beginning.bytes);
        pushed.map_err(|what| Unread::Refused(unwanted(what)))?;
    }
    let mut envelope = Envelope::default();
    let model = match multipart::find(&beginning.bytes, &boundary, "model") {
        _ if !wants_model => None,
        Field::NotYet | Field::Absent => None,
        Field::Twice => return Err(Unread::Refused(unwanted(Unwanted::Twice))),
        Field::Malformed => return Err(Unread::Refused(unwanted(Unwanted::Malformed))),
        Field::Found(span) => {
            let name = beginning.bytes.get(span.clone()).unwrap_or_default();
            let name = std::str::from_utf8(name).unwrap_or_default();
            if name.is_empty() {
                return Err(malformed(DecodeError::shape("model", "must not be empty")));
            }
            envelope.model_span = Some(span);
            Some(name.to_owned())
        }
    };
    Ok(Read { beginning, model, envelope, watch })
}

/// Where a request may go.
struct Way {
    /// What the client calls the model.
    name: String,
    resolved: Resolved,
    /// The one account that it may go to, and of how many.
    account: Option<(usize, usize)>,
}

impl Way {
    fn by_model(plan: &Plan, name: String) -> std::result::Result<Self, Failure> {
        match resolve::resolve(plan, &name) {
            Ok(resolved) => Ok(Self { name, resolved, account: None }),
            Err(unknown) => Err(Failure::ModelUnknown { model: name, near: unknown.near }),
        }
    }

    /// By what the header says, else to the only provider there is.
    fn without_model(
        plan: &Plan,
        header: &RequestHeader,
        endpoint: &Endpoint,
    ) -> std::result::Result<Self, Failure> {
        let said = |name: &str| {
            let value = header.headers.get(name)?;
            Some(value.to_str().unwrap_or_default().to_owned())
        };
        if !plan.direct_models {
            return Err(Failure::BodyMalformed(DecodeError::shape("model", LISTED_ONLY)));
        }
        if let Some(model) = said(MODEL).filter(|_| !endpoint.in_account) {
            return Self::by_model(plan, model);
        }
        let unclear = |expected| Failure::HeaderMalformed { name: PROVIDER, expected };
        let (provider, account) = match said(PROVIDER) {
            Some(said) => {
                let (name, account) = match said.split_once('/') {
                    Some((name, account)) => (name.to_owned(), Some(account.to_owned())),
                    None => (said, None),
                };
                let provider = plan.provider(&name).filter(|provider| speaks_openai(provider));
                let provider = provider.ok_or_else(|| unclear(NO_PROVIDER))?;
                let is_called =
                    |account: &Account, name: &str| name == account.name.as_ref() as &str;
                let at = account.map(|name| {
                    provider.accounts.iter().position(|account| is_called(account, &name))
                });
                let at = at.map(|at| at.ok_or_else(|| unclear(NO_ACCOUNT))).transpose()?;
                (Arc::clone(provider), at)
            }
            None => {
                let mut some = plan.providers.iter().filter(|provider| speaks_openai(provider));
                match (some.next(), some.next()) {
                    (Some(only), None) => (Arc::clone(only), None),
                    _ if endpoint.in_account => return Err(unclear(NOT_SAID)),
                    _ => {
                        return Err(Failure::BodyMalformed(DecodeError::shape("model", NO_MODEL)));
                    }
                }
            }
        };
        let of = provider.accounts.len();
        let account = account.or(endpoint.in_account.then_some(0)).map(|at| (at, of));
        let name = format!("{}/", provider.name);
        let target = Target { provider, model: String::new(), price: None, when: When::default() };
        Ok(Self { name, resolved: Resolved::Direct(target), account })
    }
}

const NOT_SAID: &str = "the name of a provider of OpenAI's dialect, or `provider/account`: files and \
    batches live with one of them, and there is not exactly one";
const NO_PROVIDER: &str = "the name of a provider of OpenAI's dialect, or `provider/account`";
const NO_ACCOUNT: &str = "`provider/account` with the name of one of its accounts";
const NO_MODEL: &str = "is missing, or stands behind the first 64 KiB of the form; send it before the \
    file, or name it in the header `x-penstock-model`";
const LISTED_ONLY: &str = "is missing, or stands behind the first 64 KiB of the form, and only models \
    of the configuration are served here";

fn speaks_openai(provider: &Provider) -> bool {
    match provider.dialect {
        Dialect::OpenAi | Dialect::Responses => true,
        Dialect::Anthropic | Dialect::Gemini | Dialect::Mock => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_found_and_nothing_leads_elsewhere() {
        let pattern = |path| find(path).map(|endpoint| endpoint.pattern);
        assert_eq!(pattern("/v1/completions"), Some("/v1/completions"));
        assert_eq!(pattern("/v1/images/edits"), Some("/v1/images/edits"));
        assert_eq!(pattern("/v1/audio/voices"), Some("/v1/audio/{operation}"));
        assert_eq!(pattern("/v1/files/file-1.a/content"), Some("/v1/files/{id}/content"));
        assert_eq!(pattern("/v1/batches/b_1/cancel"), Some("/v1/batches/{id}/cancel"));
        for path in [
            "/v1/files/",
            "/v1/files/..",
            "/v1/files/%2e%2e",
            "/v1/files/a/b",
            "/v1/audio",
            "/files",
        ] {
            assert_eq!(pattern(path), None, "{path}");
        }
    }

    #[test]
    fn a_query_travels_without_keys() {
        let uri = b"/v1/files?key=sk-mine&limit=2&purpose=batch&x=1";
        let header = RequestHeader::build("GET", uri, None).unwrap();
        assert_eq!(Passing::of(&header, &FILES).path, "/files?limit=2&purpose=batch");
    }
}
