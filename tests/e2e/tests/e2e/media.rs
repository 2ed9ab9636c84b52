//! Promise: what stands at an address and is not taken there by its provider is fetched, if the
//! operator wants that, and nothing is ever fetched from where it should not.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tests_mock::{Gate, MockUpstream, Reply, Script, Step, Transport};

use crate::clients::{Client, Heard};
use crate::dialects::Dialect;
use crate::gateway::Gateway;

const PNG: &[u8] = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR, more or less";
const PDF: &[u8] = b"%PDF-1.7 and so on";
const WAV: &[u8] = b"RIFF\x24\0\0\0WAVEfmt ";
const FETCHES: &str = "penstock_media_fetches_total";

/// What is allowed on top of the defaults: the files' server is on this machine.
const HERE: &str = "fetch: on, allow_http: true, allow: [127.0.0.1/32]";

/// A provider of this dialect, and a server of files.
struct Stage {
    gateway: Gateway,
    provider: MockUpstream,
    files: MockUpstream,
}

impl Stage {
    /// `provider` is `ollama`, which takes no addresses of pictures, or a dialect.
    async fn start(provider: &str, files: Script, media: &str) -> Self {
        Self::start_with(provider, files, media, "").await
    }

    async fn start_with(provider: &str, files: Script, media: &str, more: &str) -> Self {
        let files = MockUpstream::start(files).await.unwrap();
        let (dialect, key, model) = match provider {
            "ollama" => (Dialect::OpenAi, "preset: ollama", "local"),
            "anthropic" => (Dialect::Anthropic, "dialect: anthropic", "claude-sonnet-4-5"),
            "gemini" => (Dialect::Gemini, "dialect: gemini", "gemini-2.5-flash"),
            _ => (Dialect::OpenAi, "dialect: openai, responses: false", "gpt-4o"),
        };
        let provider = MockUpstream::start(dialect.answering("Hej")).await.unwrap();
        let url = dialect.base_url(&provider.url());
        let gateway = Gateway::start(&format!(
            "providers: [{{name: up, {key}, base_url: \"{url}\", \
             accounts: [{{name: main, api_key: sk-upstream-0123456789}}]}}]\n\
             models: [{{name: m, targets: [{{provider: up, model: {model}}}]}}]\n\
             media: {{{media}}}\n{more}"
        ))
        .await;
        Self { gateway, provider, files }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.files.url())
    }

    /// Shows a picture that the provider does not take at an address.
    async fn show(&self, url: &str) -> Heard {
        Client::Chat.send(&self.gateway, "m", false, &picture(url)).await
    }

    /// What the provider was asked, the only time that it was.
    fn asked(&self) -> Value {
        let requests = self.provider.requests();
        assert_eq!(requests.len(), 1);
        requests[0].json()
    }
}

fn picture(url: &str) -> Value {
    json!({"model": "m", "a_new_field": [1], "messages": [{"role": "user", "content": [
        {"type": "text", "text": "What is this?"},
        {"type": "image_url", "image_url": {"url": url}}]}]})
}

fn file(kind: &str, bytes: &'static [u8]) -> Script {
    Script::always(Reply::whole(200, &[("content-type", kind)], bytes))
}

fn data(kind: &str, bytes: &[u8]) -> String {
    format!("data:{kind};base64,{}", BASE64_STANDARD.encode(bytes))
}

#[track_caller]
fn refused(heard: &Heard, code: &str, param: &str) {
    let error = heard.json()["error"].clone();
    assert_eq!(heard.status, 400, "{error}");
    assert_eq!((&error["code"], &error["param"]), (&json!(code), &json!(param)), "{error}");
}

const AT: &str = "messages[0].content[1].image_url.url";

/// In each dialect something that this provider does not take at an address, and where it goes.
async fn is_embedded(
    client: Client,
    provider: &str,
    file: Script,
    body: impl Fn(&str) -> Value,
    place: &str,
    expected: Value,
) {
    let stage = Stage::start(provider, file, HERE).await;
    let heard = client.send(&stage.gateway, "m", false, &body(&stage.url("/a?sig=s"))).await;
    assert_eq!((heard.status, heard.whole_words().as_str()), (200, "Hej"), "{}", heard.text);
    let asked = stage.asked();
    assert_eq!(asked.pointer(place), Some(&expected), "{client:?} {provider}: {asked}");
    assert_eq!(stage.files.requests().len(), 1);
    let labels = ["outcome=\"fetched\""];
    assert_eq!(stage.gateway.metric(FETCHES, &labels).await, 1.0);
}

#[tokio::test]
async fn a_picture_in_chat_completions_is_embedded_and_all_else_passes() {
    let stage = Stage::start("ollama", file("image/png", PNG), HERE).await;
    let heard = stage.show(&stage.url("/a.png")).await;
    assert_eq!((heard.status, heard.whole_words().as_str()), (200, "Hej"), "{}", heard.text);
    let mut expected = picture(&data("image/png", PNG));
    expected["model"] = json!("local");
    assert_eq!(stage.asked(), expected);
}

#[tokio::test]
async fn a_file_in_chat_completions_is_embedded_where_its_type_must_be_known() {
    let body = |url: &str| {
        json!({"model": "m", "messages": [{"role": "user", "content": [
            {"type": "file", "file": {"file_data": url}}]}]})
    };
    let inline = json!({"mimeType": "application/pdf", "data": BASE64_STANDARD.encode(PDF)});
    let pdf = file("application/pdf", PDF);
    is_embedded(Client::Chat, "gemini", pdf, body, "/contents/0/parts/0/inlineData", inline).await;
}

#[tokio::test]
async fn pictures_and_files_in_responses_are_embedded() {
    let body = |part: Value| {
        json!({"model": "m", "input": [{"role": "user", "content": [
            {"type": "input_text", "text": "Look"}, part]}]})
    };
    let image = |url: &str| body(json!({"type": "input_image", "image_url": url}));
    is_embedded(
        Client::Responses,
        "ollama",
        file("image/png", PNG),
        image,
        "/messages/0/content/1/image_url/url",
        json!(data("image/png", PNG)),
    )
    .await;
    let input = |url: &str| body(json!({"type": "input_file", "file_url": url}));
    is_embedded(
        Client::Responses,
        "openai",
        file("application/octet-stream", PDF),
        input,
        "/messages/0/content/1/file/file_data",
        json!(data("application/pdf", PDF)),
    )
    .await;
}

#[tokio::test]
async fn documents_and_what_tools_show_are_embedded_in_messages() {
    let document = |url: &str| {
        json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": [
            {"type": "document", "title": "Report", "source": {"type": "url", "url": url}}]}]})
    };
    is_embedded(
        Client::Messages,
        "openai",
        file("application/pdf; charset=binary", PDF),
        document,
        "/messages/0/content/0/file",
        json!({"file_data": data("application/pdf", PDF), "filename": "Report"}),
    )
    .await;
    let shown = |url: &str| {
        json!({"model": "m", "max_tokens": 9, "messages": [
            {"role": "user", "content": "Look"},
            {"role": "assistant", "content": [
                {"type": "tool_use", "id": "t1", "name": "look", "input": {}}]},
            {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t1", "content": [
                {"type": "image", "source": {"type": "url", "url": url}}]}]}]})
    };
    is_embedded(
        Client::Messages,
        "ollama",
        file("image/png", PNG),
        shown,
        "/messages/2/content/0/image_url/url",
        json!(data("image/png", PNG)),
    )
    .await;
}

#[tokio::test]
async fn sounds_in_gemini_are_embedded() {
    let body = |url: &str| {
        json!({"contents": [{"role": "user", "parts": [{"text": "Listen"},
            {"fileData": {"mimeType": "audio/wav", "fileUri": url}}]}]})
    };
    is_embedded(
        Client::Gemini,
        "openai",
        file("audio/x-wav", WAV),
        body,
        "/messages/0/content/1/input_audio",
        json!({"data": BASE64_STANDARD.encode(WAV), "format": "wav"}),
    )
    .await;
}

#[tokio::test]
async fn nothing_is_fetched_that_the_provider_takes_at_its_address() {
    let stage = Stage::start("anthropic", file("image/png", PNG), HERE).await;
    let url = stage.url("/a.png");
    assert_eq!(stage.show(&url).await.status, 200);
    assert_eq!(stage.asked()["messages"][0]["content"][1]["source"]["url"], json!(url));
    assert_eq!(stage.files.requests().len(), 0);
}

#[tokio::test]
async fn a_file_is_asked_for_without_anything_of_the_client() {
    let stage = Stage::start("ollama", file("image/png", PNG), HERE).await;
    let request = stage.gateway.client.post(stage.gateway.url("/v1/chat/completions"));
    let request = request.header("authorization", "Bearer sk-client-1").header("cookie", "c=1");
    let request = request.header("traceparent", "00-1-1-01").header("x-forwarded-for", "1.1.1.1");
    let body = picture(&stage.url("/a.png?sig=s#part"));
    assert_eq!(request.json(&body).send().await.unwrap().status(), 200);
    let asked = &stage.files.requests()[0];
    assert_eq!((asked.method.as_str(), asked.path.as_str()), ("GET", "/a.png"));
    assert_eq!((asked.query.as_deref(), asked.body.len()), (Some("sig=s"), 0));
    let mut names: Vec<_> = asked.headers.keys().map(|name| name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["accept", "accept-encoding", "connection", "host", "user-agent"]);
    assert_eq!(asked.headers["accept-encoding"], "identity");
}

#[tokio::test]
async fn by_default_nothing_is_fetched_and_the_client_is_told_what_would_help() {
    let stage = Stage::start("openai", file("application/pdf", PDF), "").await;
    let body = json!({"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": [
        {"type": "document", "source": {"type": "url", "url": stage.url("/a.pdf")}}]}]});
    let heard = Client::Messages.send(&stage.gateway, "m", false, &body).await;
    refused(&heard, "unsupported_value", "messages[0].content[0]");
    assert!(heard.error_message().contains("`media.fetch: on`"), "{}", heard.text);
    assert_eq!(stage.files.requests().len(), 0);
    assert_eq!(stage.provider.requests().len(), 0);
}

#[tokio::test]
async fn what_is_larger_than_allowed_is_refused_whether_it_says_so_or_not() {
    let media = format!("{HERE}, max_bytes: 1KiB");
    let large: Vec<u8> = [PNG, &[0; 4096]].concat();
    let declared = Reply::whole(200, &[("content-type", "image/png")], large.clone());
    let pieces = large.chunks(512).map(|piece| Step::event(piece.to_vec())).collect();
    let undeclared = Reply::steps(200, &[("content-type", "image/png")], pieces);
    for reply in [declared, undeclared] {
        let stage = Stage::start("ollama", Script::always(reply), &media).await;
        let heard = stage.show(&stage.url("/a.png")).await;
        refused(&heard, "media_too_large", AT);
        assert!(heard.error_message().contains("1024 bytes"), "{}", heard.text);
        assert_eq!(stage.provider.requests().len(), 0);
    }
}

#[tokio::test]
async fn all_files_of_a_request_together_may_be_no_larger_than_a_request() {
    let large: Vec<u8> = [PNG, &[0; 40 << 10]].concat();
    let reply = Reply::whole(200, &[("content-type", "image/png")], large);
    let limits = "limits: {request_body_bytes: 64KiB}\n";
    let stage = Stage::start_with("ollama", Script::always(reply), HERE, limits).await;
    let mut body = picture(&stage.url("/a.png"));
    assert_eq!(Client::Chat.send(&stage.gateway, "m", false, &body).await.status, 200);
    let second = json!({"type": "image_url", "image_url": {"url": stage.url("/b.png")}});
    body["messages"][0]["content"].as_array_mut().unwrap().push(second);
    let heard = Client::Chat.send(&stage.gateway, "m", false, &body).await;
    assert_eq!((heard.status, &heard.json()["error"]["code"]), (400, &json!("media_too_large")));
    assert!(heard.error_message().contains("65536 bytes"), "{}", heard.text);
}

#[tokio::test]
async fn a_server_that_is_slow_anywhere_is_given_up() {
    let media = format!("{HERE}, timeout: 300ms");
    let begun = vec![Step::event(PNG), Step::Wait(Gate::shut())];
    let stuck = Reply::steps(200, &[("content-type", "image/png")], begun);
    for reply in [Reply::hang(), stuck] {
        let stage = Stage::start("ollama", Script::always(reply), &media).await;
        refused(&stage.show(&stage.url("/a.png")).await, "media_fetch_timeout", AT);
        stage.files.until(|counts| counts.open_connections == 0).await;
    }
}

#[tokio::test]
async fn what_is_cut_is_no_file() {
    let cut = Reply::steps(
        200,
        &[("content-type", "image/png"), ("content-length", "900")],
        vec![Step::event(PNG), Step::Close],
    );
    let stage = Stage::start("ollama", Script::always(cut), HERE).await;
    refused(&stage.show(&stage.url("/a.png")).await, "media_fetch_failed", AT);
}

#[tokio::test]
async fn what_is_of_another_kind_or_packed_is_refused() {
    let page = "<!doctype html><title>Log in</title>";
    let packed = [("content-type", "image/png"), ("content-encoding", "gzip")];
    for (reply, code) in [
        (Reply::whole(200, &[("content-type", "text/html")], page), "media_wrong_kind"),
        (Reply::whole(200, &[("content-type", "image/png")], page), "media_wrong_kind"),
        (Reply::whole(200, &packed, PNG), "media_fetch_failed"),
        (Reply::whole(404, &[("content-type", "image/png")], PNG), "media_fetch_failed"),
        (Reply::whole(206, &[("content-type", "image/png")], PNG), "media_fetch_failed"),
        (Reply::raw(&b"nonsense\r\n\r\n"[..]), "media_fetch_failed"),
        (Reply::reset(), "media_fetch_failed"),
    ] {
        let stage = Stage::start("ollama", Script::always(reply.clone()), HERE).await;
        let heard = stage.show(&stage.url("/a.png")).await;
        assert_eq!(heard.json()["error"]["code"], code, "{reply:?}");
        refused(&heard, code, AT);
    }
}

fn leading_to(location: String) -> Script {
    Script::new(move |request, _| match request.path.as_str() {
        "/there.png" => Reply::whole(200, &[("content-type", "image/png")], PNG),
        _ => Reply::whole(302, &[("location", &location)], ""),
    })
}

#[tokio::test]
async fn a_redirection_is_followed_where_it_may_lead() {
    let stage = Stage::start("ollama", leading_to("/there.png".to_owned()), HERE).await;
    let heard = stage.show(&stage.url("/a.png")).await;
    assert_eq!(heard.status, 200, "{}", heard.text);
    assert_eq!(stage.files.requests().len(), 2);
}

#[tokio::test]
async fn no_redirection_leads_to_where_nothing_is_fetched_from() {
    // Listens at an address of this machine that is not allowed.
    let secret = MockUpstream::start(file("image/png", PNG)).await.unwrap();
    let port = secret.url().rsplit_once(':').unwrap().1.to_owned();
    for location in [
        format!("http://127.0.0.2:{port}/there.png"),
        format!("http://[::ffff:127.0.0.1]:{port}/there.png"),
        format!("http://[::1]:{port}/there.png"),
        "http://169.254.169.254/latest/meta-data/iam/security-credentials/".to_owned(),
        "http://[fd00:ec2::254]/latest/meta-data/".to_owned(),
        "http://metadata.invalid/".to_owned(),
        "file:///etc/passwd".to_owned(),
        format!("http://user:pass@127.0.0.1:{port}/there.png"),
        // For ever.
        "/again.png".to_owned(),
    ] {
        let stage = Stage::start("ollama", leading_to(location.clone()), HERE).await;
        let heard = stage.show(&stage.url("/a.png")).await;
        refused(&heard, "media_fetch_refused", AT);
        // Whatever was found out on the way, the client hears the same.
        let message = heard.error_message();
        assert!(message.ends_with("not one that the gateway fetches from"), "{message}");
        assert!(stage.files.requests().len() <= 4, "{location}");
        assert_eq!(stage.provider.requests().len(), 0);
        assert_eq!(stage.gateway.metric(FETCHES, &["outcome=\"refused\""]).await, 1.0);
    }
    assert_eq!(secret.counts().connections, 0);
}

#[tokio::test]
async fn nothing_is_fetched_from_this_machine_a_private_network_or_a_cloud_s_metadata() {
    let media = "fetch: on, allow_http: true";
    let stage = Stage::start("ollama", file("image/png", PNG), media).await;
    let port = stage.files.url().rsplit_once(':').unwrap().1.to_owned();
    for host in ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "0", "[::]"] {
        let heard = stage.show(&format!("http://{host}:{port}/a.png?token=hidden")).await;
        refused(&heard, "media_fetch_refused", AT);
    }
    for url in [
        "http://169.254.169.254/latest/meta-data/",
        "http://100.100.100.200/latest/meta-data/",
        "http://10.0.0.1/",
        "http://192.168.1.1/",
        "https://[fd00::1]/",
        "https://[64:ff9b::a00:1]/",
        "https://[2002:7f00:1::]/",
        "https://no-such-name.invalid/",
        "https://user:pass@example.invalid/",
    ] {
        refused(&stage.show(url).await, "media_fetch_refused", AT);
    }
    assert_eq!(stage.files.counts().connections, 0);
    let log = stage.gateway.log();
    assert!(log.contains("a file was not fetched") && log.contains("this machine"), "{log}");
    assert!(!log.contains("hidden") && !log.contains("user:pass"), "{log}");
}

#[tokio::test]
async fn without_leave_nothing_is_fetched_without_tls_nor_from_a_server_nobody_vouches_for() {
    let media = "fetch: on, allow: [127.0.0.1/32]";
    let stage = Stage::start("ollama", file("image/png", PNG), media).await;
    refused(&stage.show(&stage.url("/a.png")).await, "media_fetch_refused", AT);
    assert_eq!(stage.files.counts().connections, 0);
    let tls = MockUpstream::start_as(file("image/png", PNG), Transport::Tls(&["http/1.1"]))
        .await
        .unwrap();
    refused(&stage.show(&format!("{}/a.png", tls.url())).await, "media_fetch_failed", AT);
    assert_eq!(tls.requests().len(), 0);
}

/// The guard checks addresses; who answers there must have the name's certificate all the same.
#[tokio::test]
async fn over_tls_the_name_and_not_the_address_is_what_the_certificate_must_have() {
    let tls = MockUpstream::start_as(file("image/png", PNG), Transport::Tls(&["http/1.1"]));
    let tls = tls.await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let trusted = folder.path().join("trusted.pem");
    std::fs::write(&trusted, tls.certificate().unwrap()).unwrap();
    let provider = MockUpstream::start(Dialect::OpenAi.answering("Hej")).await.unwrap();
    let config = format!(
        "providers: [{{name: up, preset: ollama, base_url: \"{}/v1\", accounts: [{{name: main}}]}}]\n\
         models: [{{name: m, targets: [{{provider: up, model: local}}]}}]\n\
         media: {{fetch: on, allow: [127.0.0.0/8, \"::1\"]}}\n",
        provider.url()
    );
    let environment = [("SSL_CERT_FILE", trusted.to_str().unwrap())];
    let gateway = Gateway::start_with(&config, &environment).await;
    let port = tls.url().rsplit_once(':').unwrap().1.to_owned();
    // The certificate is for `localhost` and 127.0.0.1.
    for (host, status) in [("localhost", 200), ("127.0.0.1", 200), ("127.0.0.2", 400)] {
        let body = picture(&format!("https://{host}:{port}/a.png"));
        let heard = Client::Chat.send(&gateway, "m", false, &body).await;
        assert_eq!(heard.status, status, "{host}: {}", heard.text);
    }
    assert_eq!(tls.requests().len(), 2);
    assert_eq!(tls.requests()[0].headers["host"], format!("localhost:{port}"));
}

#[tokio::test]
async fn a_request_points_to_so_many_files_and_each_is_fetched_once() {
    let media = format!("{HERE}, max_files: 2");
    let stage = Stage::start("ollama", file("image/png", PNG), &media).await;
    let ask = async |paths: &[&str]| {
        let part =
            |path: &&str| json!({"type": "image_url", "image_url": {"url": stage.url(path)}});
        let content: Vec<Value> = paths.iter().map(part).collect();
        let body = json!({"model": "m", "messages": [{"role": "user", "content": content}]});
        Client::Chat.send(&stage.gateway, "m", false, &body).await
    };
    let heard = ask(&["/a", "/b", "/c"]).await;
    refused(&heard, "media_too_many", "messages[0].content[2].image_url.url");
    assert_eq!(stage.files.requests().len(), 0);
    assert_eq!(ask(&["/a", "/b", "/a", "/b"]).await.status, 200);
    assert_eq!(stage.files.requests().len(), 2);
    let sent = stage.asked();
    for at in 0..4 {
        let url = &sent["messages"][0]["content"][at]["image_url"]["url"];
        assert_eq!(*url, data("image/png", PNG));
    }
}

/// Two providers for one model, the first of which fails.
async fn failing_over(first: &str, script: Script, second: &str) -> (Gateway, [MockUpstream; 3]) {
    let files = MockUpstream::start(script).await.unwrap();
    let failing = Script::always(Reply::json(500, &[], &json!({"error": {"message": "No"}})));
    let bad = MockUpstream::start(failing).await.unwrap();
    let dialect = if second == "anthropic" { Dialect::Anthropic } else { Dialect::OpenAi };
    let good = MockUpstream::start(dialect.answering("Hej")).await.unwrap();
    let account = "accounts: [{name: main, api_key: sk-0123456789}]";
    let gateway = Gateway::start(&format!(
        "providers:\n\
         - {{name: a, {first}, base_url: \"{}/v1\", {account}}}\n\
         - {{name: b, dialect: {second}, base_url: \"{}\", {account}}}\n\
         models: [{{name: m, targets: [{{provider: a, model: x}}, {{provider: b, model: y}}]}}]\n\
         media: {{{HERE}}}\n",
        bad.url(),
        dialect.base_url(&good.url()),
    ))
    .await;
    (gateway, [files, bad, good])
}

fn document(url: &str) -> Value {
    json!({"contents": [{"role": "user", "parts": [
        {"fileData": {"mimeType": "application/pdf", "fileUri": url}}]}]})
}

#[tokio::test]
async fn another_attempt_does_not_fetch_again() {
    let script = file("application/pdf", PDF);
    let (gateway, [files, bad, good]) =
        failing_over("dialect: openai, responses: false", script, "openai").await;
    let body = document(&format!("{}/a.pdf", files.url()));
    let heard = Client::Gemini.send(&gateway, "m", false, &body).await;
    assert_eq!((heard.status, heard.whole_words().as_str()), (200, "Hej"), "{}", heard.text);
    assert!(!bad.requests().is_empty());
    let sent = good.requests()[0].json();
    let file = &sent["messages"][0]["content"][0]["file"]["file_data"];
    assert_eq!(*file, data("application/pdf", PDF));
    assert_eq!(files.requests().len(), 1);
}

#[tokio::test]
async fn bytes_that_passed_once_are_translated_with_what_was_fetched() {
    let (gateway, [files, bad, good]) =
        failing_over("preset: ollama", file("image/png", PNG), "anthropic").await;
    let url = format!("{}/a.png", files.url());
    let heard = Client::Chat.send(&gateway, "m", false, &picture(&url)).await;
    assert_eq!((heard.status, heard.whole_words().as_str()), (200, "Hej"), "{}", heard.text);
    let first = bad.requests()[0].json();
    let embedded = data("image/png", PNG);
    assert_eq!(first["messages"][0]["content"][1]["image_url"]["url"], embedded);
    // Who takes addresses gets the address.
    let sent = good.requests()[0].json();
    assert_eq!(sent["messages"][0]["content"][1]["source"]["url"], url);
    assert_eq!(files.requests().len(), 1);
}

#[tokio::test]
async fn what_cannot_be_fetched_for_one_provider_is_left_to_one_that_takes_the_address() {
    let missing = Script::always(Reply::whole(404, &[], ""));
    let (gateway, [files, bad, good]) =
        failing_over("dialect: openai", missing.clone(), "anthropic").await;
    let url = format!("{}/a.pdf", files.url());
    let heard = Client::Gemini.send(&gateway, "m", false, &document(&url)).await;
    assert_eq!((heard.status, heard.whole_words().as_str()), (200, "Hej"), "{}", heard.text);
    assert_eq!((bad.requests().len(), files.requests().len()), (0, 1));
    let sent = good.requests()[0].json();
    assert_eq!(sent["messages"][0]["content"][0]["source"]["url"], url);

    // If nobody takes it, the failure is told, and it was not tried twice.
    let (gateway, [files, _, _]) = failing_over("dialect: openai", missing, "openai").await;
    let url = format!("{}/a.pdf", files.url());
    let heard = Client::Gemini.send(&gateway, "m", false, &document(&url)).await;
    let error = heard.json()["error"].clone();
    assert_eq!((heard.status, &error["status"]), (400, &json!("INVALID_ARGUMENT")), "{error}");
    let details = error["details"].as_array().unwrap();
    let named = |it: &Value| it["fieldViolations"][0]["field"] == "contents[0].parts[0]";
    assert!(details.iter().any(named), "{error}");
    assert!(details.iter().any(|it| it["reason"] == "MEDIA_FETCH_FAILED"), "{error}");
    assert!(heard.error_message().contains("status 404"), "{error}");
    assert_eq!(files.requests().len(), 1);
}

#[tokio::test]
async fn each_client_is_told_in_its_own_words_where_the_address_stands() {
    let stage = Stage::start("ollama", file("text/html", b"<p>"), HERE).await;
    let url = stage.url("/a.png");
    let body = json!({"model": "m", "input": [{"role": "user", "content": [
        {"type": "input_image", "image_url": url}]}]});
    let heard = Client::Responses.send(&stage.gateway, "m", false, &body).await;
    refused(&heard, "media_wrong_kind", "input[0].content[0].image_url");
    let result = json!({"type": "tool_result", "tool_use_id": "t", "content": [
        {"type": "image", "source": {"type": "url", "url": url}}]});
    let body = json!({"model": "m", "max_tokens": 9, "messages": [
        {"role": "user", "content": "Look"},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "l", "input": {}}]},
        {"role": "user", "content": [result]}]});
    let heard = Client::Messages.send(&stage.gateway, "m", false, &body).await;
    refused(&heard, "media_wrong_kind", "messages[2].content[0].content[0].source");
}

#[tokio::test]
async fn a_client_that_goes_away_takes_its_errands_with_it() {
    let stage = Stage::start("ollama", Script::always(Reply::hang()), HERE).await;
    let body = picture(&stage.url("/a.png"));
    let asking = Client::Chat.send(&stage.gateway, "m", false, &body);
    let seen = stage.files.until(|counts| counts.in_flight == 1);
    tokio::select! {
        _ = asking => panic!("nothing can be answered"),
        _ = seen => {}
    }
    stage.files.until(|counts| counts.open_connections == 0).await;
    assert_eq!(stage.provider.requests().len(), 0);
}
