//! Every mistake is reported, at its line and key; what is right becomes the plan it means.

#![expect(clippy::unwrap_used, reason = "a test may stop at once")]

use std::{collections::HashMap, time::Duration};

use conf_schema::{
    Checked, Plan, SecretSource, Severity, check,
    plan::{self, AccountLimits, AuthMode, Credential, Dialect, HttpVersion, StreamErrors},
};
use proptest::prelude::*;

const PEM: &str = "-----BEGIN CERTIFICATE-----\nMAo=\n-----END CERTIFICATE-----\n";

/// An environment and files that exist only here.
#[derive(Default)]
struct Fake {
    env: HashMap<&'static str, &'static str>,
    files: HashMap<&'static str, &'static [u8]>,
}

impl SecretSource for Fake {
    fn env(&self, name: &str) -> Option<String> {
        self.env.get(name).map(|value| (*value).to_owned())
    }

    fn file(&self, path: &str) -> Result<Vec<u8>, String> {
        self.files.get(path).map(|bytes| bytes.to_vec()).ok_or("no such file".into())
    }
}

fn full() -> Fake {
    Fake {
        env: HashMap::from([
            ("ANTHROPIC_API_KEY", "sk-ant"),
            ("OPENAI_API_KEY", "sk-oai\n"),
            ("GEMINI_API_KEY", "sk-gem"),
            ("GROQ_API_KEY", "sk-groq"),
            ("AZURE_OPENAI_API_KEY", "sk-azure"),
            ("PENSTOCK_KEY", "pk-1"),
            ("EMPTY", "\n"),
            ("BAD", "a\nb"),
        ]),
        files: HashMap::from([
            ("/etc/ssl/my-ca.pem", PEM.as_bytes()),
            ("/run/secrets/anthropic-reserve", b"sk-ant-2\r\n".as_slice()),
            ("/run/secrets/penstock-alice", b"pk-2\n".as_slice()),
            ("empty", b"\n".as_slice()),
            ("latin", b"k\xe9y".as_slice()),
        ]),
    }
}

fn said(checked: &Checked) -> Vec<String> {
    checked.problems.iter().map(ToString::to_string).collect()
}

/// The plan of a text that has nothing wrong with it.
#[track_caller]
fn plan(text: &str) -> Plan {
    let checked = check(text, &full());
    assert_eq!(said(&checked), [""; 0]);
    checked.plan.unwrap()
}

/// The text has these problems, all of them errors unless they say otherwise.
#[track_caller]
fn problems(text: &str, expected: &[&str]) {
    let checked = check(text, &full());
    assert_eq!(said(&checked), expected);
    let usable = expected.iter().all(|problem| problem.contains(": warning: "));
    assert_eq!(checked.plan.is_some(), usable);
}

/// A configuration with one provider that has `keys` besides its name.
fn provider(keys: &str) -> String {
    format!("providers:\n- name: p\n  accounts: [{{name: a}}]\n{keys}")
}

#[test]
fn all_mistakes_are_reported_at_once_with_line_and_key() {
    let text = r#"listeners:
  - address: localhost:8080
  - adress: 127.0.0.1:8080
admin: {address: 127.0.0.1:8081}
auth:
  mode: closed
providers:
  - name: one
    dialect: opnai
    timeouts:
      connect: 5
      idel: 1s
    accounts:
      - name: a
        weight: 0
      - name: a
        api_key: {env: sk-oops}
  - name: o/ne
    dialect: openai
    base_url: api.openai.com/v1
    api_version: "1"
    forward_headers: [Authorization, "x y"]
    accounts: []
  - dialect: gemini
    http_version: h2c
    accounts: main
models:
  - name: m
    targets:
      - {provider: two, model: "a b"}
      - {provider: one, model: ""}
  - name: m
    targets: []
  - targets: [{provider: one}]
direct_models: "yes"
limits: {request_body_bytes: 64 mib}
limits: {}
"#;
    problems(
        text,
        &[
            "2:14: listeners[0].address: expected an IP address and a port, such as \
             127.0.0.1:8080 or \"[::]:8080\"",
            "3:5: listeners[1].adress: unknown key; did you mean `address`?",
            "3:5: listeners[1].address: is missing",
            "6:9: auth.mode: expected `open` or `keys`",
            "9:14: providers[0].dialect: expected `openai`, `responses`, `anthropic`, `gemini` or \
             `mock`; \
             did you mean `openai`?",
            "11:16: providers[0].timeouts.connect: expected a duration above zero with its unit, \
             such as 500ms, 30s, 5m or 1h",
            "12:7: providers[0].timeouts.idel: unknown key; did you mean `idle`?",
            "15:17: providers[0].accounts[0].weight: must be 1 to 4294967295, but is 0",
            "16:15: providers[0].accounts[1].name: a second account called `a` (line 14)",
            "17:18: providers[0].accounts[1].api_key: `env` takes the name of a variable: \
             letters, digits and `_`",
            "18:11: providers[1].name: character 2 is not allowed; use letters, digits and `._-`",
            "20:15: providers[1].base_url: must begin with `https://` or `http://`",
            "21:18: providers[1].api_version: is only for providers of dialect `anthropic` or preset `azure`",
            "22:23: providers[1].forward_headers[0]: `authorization` is the gateway's to set",
            "22:38: providers[1].forward_headers[1]: is not the name of a header",
            "23:15: providers[1].accounts: needs at least one account; leave out its `api_key` \
             if the server wants none",
            "24:5: providers[2].name: is missing",
            "25:19: providers[2].http_version: `h2c` needs an `http` URL; with TLS it is `http2`",
            "26:15: providers[2].accounts: expected a list, found a string",
            "30:20: models[0].targets[0].provider: no provider is called `two`",
            "30:32: models[0].targets[0].model: has white space or a control character in it",
            "31:32: models[0].targets[1].model: is empty",
            "32:11: models[1].name: a second model called `m` (line 28)",
            "33:14: models[1].targets: needs at least one target",
            "34:5: models[2].name: is missing",
            "34:15: models[2].targets[0].model: is missing",
            "35:16: direct_models: expected `true` or `false`, found a string",
            "36:30: limits.request_body_bytes: expected a number of bytes above zero, such as \
             64MiB, 10MB or 1048576",
            "37:1: limits: is given twice; the first is on line 36",
        ],
    );
}

#[test]
fn what_is_left_out_has_its_default() {
    let plan = plan("providers: [{name: m, dialect: mock}]");
    assert_eq!(plan.listeners[0].address.to_string(), "127.0.0.1:8080");
    assert_eq!(plan.listeners.len(), 1);
    assert_eq!(plan.admin.address.to_string(), "127.0.0.1:8081");
    assert_eq!(plan.state.directory, "./data");
    assert_eq!((plan.auth.mode, plan.auth.keys.len()), (AuthMode::Open, 0));
    assert!(plan.direct_models);
    assert_eq!(plan.limits.request_body_bytes, 64 << 20);
    assert_eq!(plan.limits.write_timeout, Duration::from_secs(60));
    let mock = plan.provider("m").unwrap();
    assert_eq!(mock.http_version, HttpVersion::Auto);
    assert_eq!(mock.timeouts.connect, Duration::from_secs(5));
    assert_eq!(mock.timeouts.first_byte, Duration::from_secs(300));
    assert_eq!(mock.timeouts.idle, Duration::from_secs(120));
    assert_eq!(mock.timeouts.total, Duration::from_secs(900));
    assert_eq!(mock.accounts[0].limits, AccountLimits::default());
    assert_eq!(plan.affinity.header, "x-session-id");
    assert_eq!(plan.affinity.idle, Duration::from_secs(3600));
    let memory = plan.reasoning_memory;
    assert_eq!((memory.turns, memory.bytes), (100_000, 64 << 20));
    assert_eq!(memory.idle, Duration::from_secs(3600));
    assert_eq!(plan.heartbeat.after, Duration::from_secs(5));
    assert_eq!(plan.heartbeat.every, Duration::from_secs(15));
    assert_eq!(plan.stream_errors, StreamErrors::Graceful);
    assert_eq!(plan.http2_ping, Duration::from_secs(15));
    assert_eq!(mock.accounts[0].name.as_str(), "mock");
    assert_eq!(mock.accounts[0].weight.get(), 1);
    assert!(matches!(mock.accounts[0].credential, Credential::None));
}

#[test]
fn what_clients_may_do_is_bounded_even_if_nothing_is_said() {
    let limits = plan("providers: [{name: m, dialect: mock}]").limits;
    assert_eq!(limits.header_timeout, Duration::from_secs(30));
    assert_eq!(limits.body_timeout, Duration::from_secs(300));
    assert_eq!(limits.idle_timeout, Duration::from_secs(75));
    assert_eq!((limits.header_bytes, limits.headers), (64 << 10, 100));
    assert_eq!((limits.connections, limits.streams_per_connection), (20_000, 100));
    assert_eq!((limits.connections_per_address, limits.memory_bytes), (None, None));
}

#[test]
fn nothing_is_fetched_unless_that_is_said_and_then_within_bounds() {
    let plain = plan("providers: [{name: m, dialect: mock}]\n").media;
    assert_eq!(plain.fetch, plan::Fetch::Off);
    let bounds = (plain.max_bytes, plain.max_files, plain.timeout, plain.redirects);
    assert_eq!(bounds, (20 << 20, 8, Duration::from_secs(10), 3));
    assert!(!plain.allow_http && plain.allow.is_empty());
    let said = plan(
        "media: {fetch: on, max_bytes: 1MiB, max_files: 1, timeout: 2s, redirects: 0, \
         allow_http: true, allow: [10.1.0.0/16, \"::1\"]}\n\
         providers: [{name: m, dialect: mock}]\n",
    )
    .media;
    assert_eq!(said.fetch, plan::Fetch::On);
    let bounds = (said.max_bytes, said.max_files, said.timeout, said.redirects);
    assert_eq!(bounds, (1 << 20, 1, Duration::from_secs(2), 0));
    assert_eq!((said.allow_http, said.allow.len()), (true, 2));
    problems(
        "media: {fetch: yes, max_files: 0, redirects: 21, allow: [0.0.0.0/0, \"::/0\", x]}\n\
         providers: [{name: m, dialect: mock}]\n",
        &[
            "1:16: media.fetch: expected `off` or `on`",
            "1:32: media.max_files: must be 1 to 100, but is 0",
            "1:46: media.redirects: must be 0 to 20, but is 21",
            "1:58: media.allow[0]: opens every address, those of this machine included",
            "1:69: media.allow[1]: opens every address, those of this machine included",
            "1:77: media.allow[2]: expected an IP address or network, such as 10.0.0.7, \
             10.0.0.0/8 or \"fd00::/8\"",
        ],
    );
}

#[test]
fn the_edge_is_read_and_checked() {
    let text = "
listeners:
- {address: 127.0.0.1:1, h2c: true, proxy_protocol: true}
- {address: 0.0.0.0:2, h2c: true, allow_h2c: true}
trusted_proxies: [10.1.2.3/8, 192.0.2.1, \"fd00::/8\"]
auth: {allow_open: true}
limits: {header_bytes: 1KiB, connections_per_address: 7, memory_bytes: 1GiB}
providers: [{name: m, dialect: mock}]
";
    let good = plan(text);
    assert!(good.listeners[0].h2c && good.listeners[0].proxy_protocol && good.listeners[1].h2c);
    let proxies: Vec<String> = good.trusted_proxies.iter().map(ToString::to_string).collect();
    assert_eq!(proxies, ["10.0.0.0/8", "192.0.2.1/32", "fd00::/8"]);
    assert_eq!(good.limits.header_bytes, 1024);
    assert_eq!(good.limits.connections_per_address.unwrap().get(), 7);
    assert_eq!(good.limits.memory_bytes, Some(1 << 30));
    problems(
        "
listeners:
- {address: 127.0.0.1:1, proxy_protocol: true}
- {address: 0.0.0.0:2, h2c: true}
trusted_proxies: []
auth: {allow_open: true}
limits: {header_bytes: 1, headers: 251, connections: 0, streams_per_connection: 10001}
providers: [{name: m, dialect: mock}]
",
        &[
            "3:42: listeners[0].proxy_protocol: nobody could connect: `trusted_proxies` names no \
             proxy",
            "4:29: listeners[1].h2c: other machines can reach this address, and nothing protects \
             HTTP/2 without TLS; use `tls`, or set `allow_h2c: true` if that is meant",
            "7:24: limits.header_bytes: must be 512 to 1048576, but is 1",
            "7:36: limits.headers: must be 1 to 250, but is 251",
            "7:54: limits.connections: must be 1 to 100000000, but is 0",
            "7:81: limits.streams_per_connection: must be 1 to 10000, but is 10001",
        ],
    );
    let proxy = "trusted_proxies: [10.0.0.0/33]\nproviders: [{name: m, dialect: mock}]\n";
    problems(
        proxy,
        &["1:19: trusted_proxies[0]: expected an IP address or network, such as 10.0.0.7, \
           10.0.0.0/8 or \"fd00::/8\""],
    );
}

#[test]
fn a_queue_and_prices_are_read_and_checked() {
    let read = |queue: &str, price: &str| {
        format!(
            "queue: {queue}\nproviders: [{{name: p, dialect: openai, accounts: [{{name: a}}]}}]\n\
             models: [{{name: m, targets: [{{provider: p, model: x, price: {price}}}]}}]\n"
        )
    };
    let good =
        plan(&read("{wait: 1s, requests: 0, requests_per_key: 7}", "{input: 3, output: 0.5}"));
    assert_eq!(good.queue.wait, Duration::from_secs(1));
    assert_eq!((good.queue.requests, good.queue.requests_per_key), (0, 7));
    let price = good.models[0].targets[0].price.unwrap();
    assert!((price.input - 3.0).abs() < 1e-9 && (price.output - 0.5).abs() < 1e-9);
    let bad = check(&read("{requests: -1}", "{input: -3, output: 1}"), &full());
    let said = said(&bad);
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said.iter().any(|it| it.contains("must be 0 to 1000000, but is -1")), "{said:?}");
    assert!(said.iter().any(|it| it.contains("must be 0 or more")), "{said:?}");
}

#[test]
fn what_routing_is_told_is_checked_like_the_rest() {
    problems(
        "providers:
- name: p
  dialect: openai
  timeouts: {total: 0s}
  accounts:
  - {name: a, limits: {concurrent: 0, requests_per_minute: 4294967296, tokens_per_minute: -1}}
models:
- name: m
  targets: [{provider: p, model: x}]
  strategy: fastests
  timeouts: {first: 1s}
  fallbacks: {context_window: [m, n2, o, o], content_policy: [nope]}
- {name: n, targets: [{provider: p, model: x}]}
- {name: o, targets: [{provider: p, model: x}], fallbacks: {context: [m]}}
affinity: {header: a b, idle: 1}
heartbeat: {after: never}
stream_errors: silent
http2_ping: 15
reasoning_memory: {turns: -1, bytes: 0, idle: long, entries: 1}
",
        &[
            "4:21: providers[0].timeouts.total: expected a duration above zero with its unit, \
             such as 500ms, 30s, 5m or 1h",
            "6:36: providers[0].accounts[0].limits.concurrent: must be 1 to 4294967295, but is 0",
            "6:60: providers[0].accounts[0].limits.requests_per_minute: must be 1 to 4294967295, \
             but is 4294967296",
            "6:91: providers[0].accounts[0].limits.tokens_per_minute: must be at least 1, but is \
             -1",
            "10:13: models[0].strategy: expected `least_loaded`, `priority`, `weighted`, \
             `cheapest` or `fastest`; did you mean `fastest`?",
            "11:14: models[0].timeouts.first: unknown key; expected `connect`, `first_byte`, \
             `idle` or `total`",
            "12:32: models[0].fallbacks.context_window[0]: is the model itself",
            "12:35: models[0].fallbacks.context_window[1]: no model is called `n2`",
            "12:42: warning: models[0].fallbacks.context_window[3]: is listed already",
            "12:63: models[0].fallbacks.content_policy[0]: no model is called `nope`",
            "14:61: models[2].fallbacks.context: unknown key; expected `context_window` or \
             `content_policy`",
            "15:20: affinity.header: is not the name of a header",
            "15:31: affinity.idle: expected a duration above zero with its unit, such as 500ms, \
             30s, 5m or 1h",
            "16:20: heartbeat.after: expected a duration above zero with its unit, such as \
             500ms, 30s, 5m or 1h",
            "17:16: stream_errors: expected `graceful` or `explicit`",
            "18:13: http2_ping: expected a duration above zero with its unit, such as 500ms, \
             30s, 5m or 1h",
            "19:27: reasoning_memory.turns: must be 0 to 10000000, but is -1",
            "19:38: reasoning_memory.bytes: expected a number of bytes above zero, such as \
             64MiB, 10MB or 1048576",
            "19:47: reasoning_memory.idle: expected a duration above zero with its unit, such as \
             500ms, 30s, 5m or 1h",
            "19:53: reasoning_memory.entries: unknown key; expected `turns`, `bytes` or `idle`",
        ],
    );
}

#[test]
fn conditions_are_read_and_checked() {
    let keys = "auth: {mode: keys, keys: [{name: ci, key: {env: PENSTOCK_KEY}}]}\n";
    let text = format!(
        "{keys}{}models:
- name: m
  targets:
  - {{provider: p, model: a, when: {{headers: {{X-Tier: [gold, silver]}}, keys: [ci]}}}}
  - {{provider: p, model: a, when: {{metadata: {{team: [a]}}}}}}
  - {{provider: p, model: b}}
",
        provider("  dialect: openai\n")
    );
    let checked = check(&text, &full());
    let plan = checked.plan.clone().unwrap();
    let [first, second, third] = &plan.models[0].targets[..] else { panic!() };
    assert_eq!(
        first.when.headers,
        [("x-tier".parse().unwrap(), vec!["gold".into(), "silver".into()])]
    );
    assert_eq!(first.when.keys[0].as_str(), "ci");
    assert_eq!(second.when.metadata, [("team".to_owned(), vec!["a".to_owned()])]);
    assert!(third.when.is_always() && !first.when.is_always());
    assert!(!said(&checked).iter().any(|it| it.contains("same target")), "{:?}", checked.problems);

    let text = format!(
        "{keys}{}models:
- name: m
  targets:
  - {{provider: p, model: a, when: {{}}}}
  - {{provider: p, model: b, when: {{headers: {{\"x y\": [a], x-a: [], X-B: [1], x-b: [b]}}}}}}
  - {{provider: p, model: c, when: {{keys: [cl, ci, ci], metadata: {{}}, header: {{}}}}}}
  - {{provider: p, model: d, when: {{keys: [], metadata: {{team: a}}}}}}
",
        provider("  dialect: openai\n")
    );
    problems(
        &text,
        &[
            "9:35: models[0].targets[0].when: names no condition; leave it out to take every \
             request",
            "10:53: models[0].targets[1].when.headers.x y: is not the name of a header",
            "10:63: models[0].targets[1].when.headers.x-a: needs at least one value",
            "10:73: models[0].targets[1].when.headers.X-B[0]: expected a string, found a number \
             (put it in quotes)",
            "10:82: models[0].targets[1].when.headers.x-b: is given twice",
            "11:43: models[0].targets[2].when.keys[0]: no key is called `cl`; did you mean `ci`?",
            "11:51: warning: models[0].targets[2].when.keys[2]: is listed already",
            "11:66: models[0].targets[2].when.metadata: needs at least one entry",
            "11:70: models[0].targets[2].when.header: unknown key; did you mean `headers`?",
            "12:42: models[0].targets[3].when.keys: needs at least one key",
            "12:63: models[0].targets[3].when.metadata.team: expected a list, found a string",
        ],
    );
}

#[test]
fn azure_has_a_version_if_it_is_said() {
    for (more, version) in
        [("", None), ("  api_version: 2025-04-01-preview\n", Some("2025-04-01-preview"))]
    {
        let url = "https://a.openai.azure.com";
        let plan = plan(&provider(&format!("  preset: azure\n  base_url: {url}\n{more}")));
        assert_eq!(plan.providers[0].api_version.as_deref(), version);
    }
}

#[test]
fn each_dialect_knows_where_its_provider_is() {
    for (dialect, url, version) in [
        ("openai", "https://api.openai.com/v1", None),
        ("anthropic", "https://api.anthropic.com", Some("2023-06-01")),
        ("gemini", "https://generativelanguage.googleapis.com", None),
        ("mock", "http://mock.invalid", None),
    ] {
        let plan = plan(&provider(&format!("  dialect: {dialect}")));
        let provider = &plan.providers[0];
        assert_eq!(provider.base_url.to_string(), url);
        assert_eq!(provider.api_version.as_deref(), version);
    }
}

#[test]
fn the_quick_start_works_without_any_key() {
    let checked = check(include_str!("../../quickstart.yaml"), &Fake::default());
    let plan = checked.plan.unwrap();
    assert_eq!(plan.models[0].name.as_str(), "mock");
    assert_eq!(plan.models[0].targets[0].provider.dialect, Dialect::Mock);
    assert!(plan.direct_models);
    assert_eq!(checked.problems.len(), 3);
    assert!(checked.problems.iter().all(|problem| problem.severity == Severity::Warning));
    let account = &plan.provider("anthropic").unwrap().accounts[0];
    let Credential::Missing { reason } = &account.credential else { panic!("{account:?}") };
    assert_eq!(reason, "environment variable `ANTHROPIC_API_KEY` is not set");
}

#[test]
fn the_reference_file_means_what_it_says() {
    // Commented out, so that the file can be tried as it is.
    let text = include_str!("../../gateway.yaml").replace("# ca_file:", "ca_file:");
    let plan = plan(&text);
    let anthropic = plan.provider("anthropic").unwrap();
    assert_eq!(anthropic.timeouts.connect, Duration::from_secs(2));
    assert_eq!(anthropic.forward_headers, ["x-tenant"]);
    assert_eq!(anthropic.ca.as_deref(), Some(PEM.as_bytes()));
    assert_eq!(anthropic.accounts[0].weight.get(), 3);
    let Credential::Key(key) = &anthropic.accounts[1].credential else { panic!() };
    assert_eq!(key.expose(), "sk-ant-2");
    let azure = plan.provider("azure").unwrap();
    assert_eq!(azure.api_version.as_deref(), Some("2025-04-01-preview"));
    assert_eq!(plan.provider("local").unwrap().base_url.authority(), "127.0.0.1:11434");
    let claude = plan.model("claude").unwrap();
    assert_eq!(claude.targets[1].provider.name.as_str(), "openai");
    assert_eq!(claude.strategy, plan::Strategy::LeastLoaded);
    let timeouts = claude.timeouts.over(&anthropic.timeouts);
    assert_eq!(timeouts.first_byte, Duration::from_secs(20));
    assert_eq!(timeouts.connect, Duration::from_secs(2), "the provider's where nothing is said");
    assert_eq!(claude.fallbacks.context_window[0].as_str(), "team/fast");
    assert_eq!(claude.fallbacks.content_policy[0].as_str(), "llama");
    let limits = anthropic.accounts[0].limits;
    assert_eq!(limits.concurrent.unwrap().get(), 200);
    assert_eq!(limits.requests_per_minute.unwrap().get(), 4000);
    assert_eq!(limits.tokens_per_minute.unwrap().get(), 2_000_000);
    let team = &plan.model("team/fast").unwrap().targets;
    assert_eq!(team[0].when.keys[0].as_str(), "ci");
    assert!(team[1].when.is_always());
    assert!(plan.model("nobody").is_none());
    let keys: Vec<&str> = plan.auth.keys.iter().map(|key| key.key.expose()).collect();
    assert_eq!(keys, ["pk-1", "pk-2"]);
}

#[test]
fn a_secret_that_cannot_be_found_is_a_warning_and_disables_its_account() {
    let text = "providers:
- name: p
  dialect: openai
  accounts:
  - {name: a, api_key: {env: NOWHERE}}
  - {name: b, api_key: {env: EMPTY}}
  - {name: c, api_key: {file: nowhere}}
  - {name: d, api_key: {file: empty}}
  - {name: e, api_key: sk-plain}
";
    problems(
        text,
        &[
            "5:24: warning: providers[0].accounts[0].api_key: environment variable `NOWHERE` is \
             not set; the account is out of use",
            "6:24: warning: providers[0].accounts[1].api_key: environment variable `EMPTY` is \
             empty; the account is out of use",
            "7:24: warning: providers[0].accounts[2].api_key: file `nowhere` cannot be read: no \
             such file; the account is out of use",
            "8:24: warning: providers[0].accounts[3].api_key: file `empty` is empty; the account \
             is out of use",
            "9:24: warning: providers[0].accounts[4].api_key: is written out; {env: NAME} or \
             {file: PATH} keep it out of the file",
        ],
    );
    let accounts = &check(text, &full()).plan.unwrap().providers[0].accounts;
    let usable: Vec<bool> =
        accounts.iter().map(|one| matches!(one.credential, Credential::Key(_))).collect();
    assert_eq!(usable, [false, false, false, false, true]);
}

#[test]
fn a_secret_that_no_header_can_carry_is_refused() {
    problems(
        "providers:
- name: p
  dialect: openai
  accounts:
  - {name: a, api_key: {env: BAD}}
  - {name: b, api_key: {file: latin}}
",
        &[
            "5:24: providers[0].accounts[0].api_key: environment variable `BAD` has a character \
             that no HTTP header can carry",
            "6:24: providers[0].accounts[1].api_key: file `latin` has a character that no HTTP \
             header can carry",
        ],
    );
}

#[test]
fn no_message_repeats_a_secret() {
    for written in ["12345678", "[sk-hidden]", "'sk-hidden '", "$sk-hidden", "{env: sk-hidden}"] {
        let text = format!(
            "auth: {{mode: keys, keys: [{{name: k, key: {written}}}]}}
providers: [{{name: p, dialect: openai, accounts: [{{name: a, api_key: {written}}}]}}]
"
        );
        let checked = check(&text, &full());
        assert!(checked.plan.is_none(), "{written}");
        for problem in said(&checked) {
            assert!(!problem.contains("sk-hidden") && !problem.contains("12345678"), "{problem}");
        }
    }
}

#[test]
fn open_needs_a_loopback_address_or_a_clear_word() {
    let listen = |address: &str, auth: &str| {
        let text = format!(
            "listeners: [{{address: \"{address}\"}}]\n{auth}\nproviders: [{{name: m, dialect: mock}}]"
        );
        check(&text, &full()).plan.is_some()
    };
    for address in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1", "[::ffff:127.0.0.1]:1"] {
        assert!(listen(address, ""), "{address}");
    }
    for address in ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "[2001:db8::1]:1"] {
        assert!(!listen(address, ""), "{address}");
        assert!(listen(address, "auth: {allow_open: true}"), "{address}");
        assert!(listen(address, "auth: {mode: keys, keys: [{name: k, key: x}]}"), "{address}");
    }
}

#[test]
fn client_keys_are_told_apart_by_name_and_by_secret() {
    problems(
        "auth:
  mode: keys
  keys:
  - {name: a, key: {env: PENSTOCK_KEY}}
  - {name: b, key: {env: PENSTOCK_KEY}}
  - {name: a, key: {env: OPENAI_API_KEY}}
  - {name: c, key: {env: NOWHERE}}
  - {name: d}
providers: [{name: m, dialect: mock}]
",
        &[
            "5:20: auth.keys[1].key: is the same secret as `a` has (line 4)",
            "6:12: auth.keys[2].name: a second key called `a` (line 4)",
            "7:20: warning: auth.keys[3].key: environment variable `NOWHERE` is not set; the key \
             `c` cannot be used",
            "8:5: auth.keys[4].key: is missing",
        ],
    );
    problems(
        "auth: {mode: keys}\nproviders: [{name: m, dialect: mock}]",
        &["1:7: auth.keys: `auth.mode: keys` needs at least one key"],
    );
}

#[test]
fn addresses_are_bound_once() {
    problems(
        "listeners: [{address: 127.0.0.1:1}, {address: 127.0.0.1:1}]
admin: {address: 127.0.0.1:1}
providers: [{name: m, dialect: mock}]",
        &[
            "1:47: listeners[1].address: another listener has this address already",
            "2:18: admin.address: a listener has this address already",
        ],
    );
    plan(
        "listeners: [{address: 127.0.0.1:0}, {address: 127.0.0.1:0}]
admin: {address: 127.0.0.1:0}
providers: [{name: m, dialect: mock}]",
    );
}

#[test]
fn http_versions_must_fit_the_url() {
    let check_version = |url: &str, version: &str| {
        let keys = format!("  dialect: openai\n  base_url: {url}\n  http_version: {version}");
        check(&provider(&keys), &full()).plan.is_some()
    };
    for version in ["auto", "http1", "http2"] {
        assert!(check_version("https://host", version));
    }
    for version in ["auto", "http1", "h2c"] {
        assert!(check_version("http://host", version));
    }
    assert!(!check_version("https://host", "h2c"));
    assert!(!check_version("http://host", "http2"));
}

#[test]
fn a_file_of_authorities_must_be_there_and_have_one() {
    problems(
        &provider("  dialect: openai\n  ca_file: nowhere.pem"),
        &["5:12: providers[0].ca_file: cannot be read: no such file"],
    );
    problems(
        &provider("  dialect: openai\n  ca_file: empty"),
        &["5:12: providers[0].ca_file: has no certificate in PEM form"],
    );
}

#[test]
fn what_works_but_was_hardly_meant_is_a_warning() {
    problems(
        &provider("  dialect: anthropic\n  base_url: https://api.anthropic.com/v1"),
        &["5:13: warning: providers[0].base_url: usually ends before `/v1` for `anthropic`"],
    );
    problems(
        &provider("  dialect: openai\n  forward_headers: [X-Tenant, x-tenant]"),
        &["5:31: warning: providers[0].forward_headers[1]: `x-tenant` is listed already"],
    );
    problems("direct_models: false", &["1:1: warning: no providers: no request can be answered"]);
    problems(
        "direct_models: false\nproviders: [{name: m, dialect: mock}]",
        &["1:1: warning: no models, and `direct_models` is off: nothing can be asked for"],
    );
}

#[test]
fn a_section_left_empty_is_a_section_left_out() {
    let plan = plan(
        "admin:\nlimits:\n  # request_body_bytes: 1MiB\nproviders: [{name: m, dialect: mock}]\n",
    );
    assert_eq!(plan.limits.request_body_bytes, 64 << 20);
    assert_eq!(plan.limits.write_timeout, Duration::from_secs(60));
}

#[test]
fn a_target_of_a_broken_provider_is_not_one_more_mistake() {
    problems(
        "providers: [{name: p, dialect: nothing}]
models: [{name: m, targets: [{provider: p, model: x}]}]",
        &[
            "1:32: providers[0].dialect: expected `openai`, `responses`, `anthropic`, `gemini` or `mock`",
        ],
    );
}

#[test]
fn accounts_can_be_shared_by_anchor() {
    let plan = plan(
        "providers:
- &base
  name: a
  dialect: openai
  accounts: &accounts [{name: main}]
- <<: *base
  name: b
- {name: c, dialect: gemini, accounts: *accounts}
",
    );
    assert_eq!(plan.providers[1].dialect, Dialect::OpenAi);
    assert_eq!(plan.providers[2].accounts[0].name.as_str(), "main");
}

#[test]
fn only_what_is_bound_at_the_start_needs_a_restart() {
    let old = plan("providers: [{name: m, dialect: mock}]");
    let new = plan(
        "listeners: [{address: 127.0.0.1:1}]
admin: {address: 127.0.0.1:2}
state: {directory: /var/lib/penstock}
direct_models: false
models: [{name: m, targets: [{provider: m, model: m}]}]
providers: [{name: m, dialect: mock}]",
    );
    assert_eq!(new.restart_needed(&old), ["listeners", "admin.address", "state.directory"]);
    assert_eq!(old.restart_needed(&old), [""; 0]);
}

#[test]
fn a_plan_prints_without_its_secrets() {
    let printed = format!("{:?}", plan(include_str!("../../gateway.yaml")));
    assert!(printed.contains("***") && !printed.contains("sk-") && !printed.contains("pk-"));
}

#[test]
fn a_file_that_is_not_a_map_is_one_problem() {
    problems(
        "- a\n- b\n",
        &["1:1: expected a map with keys such as `providers` and `models`, found a list"],
    );
}

/// Text made of what YAML is made of, and of our own keys.
fn yamlish() -> impl Strategy<Value = String> {
    let token = prop_oneof![
        "\\PC",
        "[ -~]{0,6}",
        prop::sample::select(vec![
            "\n",
            "\n  ",
            "\n- ",
            "- ",
            ": ",
            "? ",
            "[",
            "]",
            "{",
            "}",
            ",",
            "&a ",
            "*a",
            "<<: ",
            "!!str ",
            "!x ",
            "|\n  ",
            ">-\n",
            "'",
            "\"",
            "#",
            "---\n",
            "...\n",
            "%YAML 1.2\n",
            "\t",
            "~",
            "0x1",
            ".nan",
            "\u{feff}",
            "providers:",
            "listeners:",
            "auth:",
            "models:",
            "name: a",
            "dialect: mock",
            "accounts:",
            "api_key:",
            "{env: X}",
            "targets:",
            "weight: ",
        ])
        .prop_map(str::to_owned),
    ];
    prop::collection::vec(token, 0..60).prop_map(|tokens| tokens.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_text_makes_the_reader_panic(text in yamlish()) {
        let checked = check(&text, &full());
        for problem in &checked.problems {
            prop_assert!(problem.line >= 1 && problem.column >= 1, "{problem}");
        }
        prop_assert!(checked.plan.is_some() || !checked.problems.is_empty());
    }

    /// Our own reference file with a piece cut out still never panics.
    #[test]
    fn no_damage_makes_the_reader_panic(from in 0_usize..5000, length in 0_usize..200) {
        let text = include_str!("../../gateway.yaml");
        let keep = |(at, c): (usize, char)| (at < from || at >= from + length).then_some(c);
        let damaged: String = text.chars().enumerate().filter_map(keep).collect();
        let checked = check(&damaged, &full());
        prop_assert!(checked.plan.is_some() || !checked.problems.is_empty());
    }
}

#[test]
fn a_listener_s_tls_needs_a_certificate_and_a_key() {
    problems(
        "listeners: [{address: 127.0.0.1:1, tls: {cert_file: /nowhere}}]\nproviders: [{name: m, dialect: mock}]",
        &[
            "1:41: listeners[0].tls.key_file: is missing",
            "1:53: listeners[0].tls.cert_file: cannot be read: no such file",
        ],
    );
}

#[test]
fn a_preset_says_where_a_server_is_and_what_it_speaks() {
    let plan = plan(
        "providers: [{name: g, preset: groq, accounts: [{name: a}]}, \
         {name: o, preset: llama.cpp, base_url: \"http://10.0.0.1/v1\", accounts: [{name: a}]}]",
    );
    let [groq, own] = plan.providers.as_slice() else { panic!("{:?}", plan.providers) };
    assert_eq!(groq.dialect, Dialect::OpenAi);
    assert_eq!(groq.base_url.to_string(), "https://api.groq.com/openai/v1");
    assert_eq!(own.base_url.to_string(), "http://10.0.0.1/v1");
    problems(
        "providers:\n- {name: a, preset: azure, accounts: [{name: a}]}\n\
         - {name: b, preset: groq, dialect: gemini, accounts: [{name: a}]}\n\
         - {name: c, preset: grok, accounts: [{name: a}]}\n\
         - {name: d, preset: azure, base_url: \"https://a.example/openai/v1\", api_version: \"1\", \
         accounts: [{name: a}]}\n\
         - {name: e, preset: groq, api_version: \"1\", accounts: [{name: a}]}\n",
        &[
            "2:3: providers[0]: needs a `base_url`: for `azure` everybody has their own",
            "3:21: providers[1].preset: is only for providers of dialect `openai`",
            "4:21: providers[2].preset: expected `azure`, `google`, `mistral`, `groq`, \
             `deepseek`, `xai`, `openrouter`, `together`, `fireworks`, `cerebras`, `vllm`, \
             `sglang`, `ollama` or `llama.cpp`; did you mean `groq`?",
            "5:82: providers[3].api_version: adds `/openai/deployments/…` to a `base_url`, which \
             must end before",
            "6:40: providers[4].api_version: is only for providers of dialect `anthropic` or \
             preset `azure`",
        ],
    );
}
