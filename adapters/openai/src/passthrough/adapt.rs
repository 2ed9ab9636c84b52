//! A request as a server with [`Quirks`] takes it: members left out, renamed or said otherwise, and
//! every other byte as it was.

use std::borrow::Cow;

use adapters_canonical::loss::{Loss, Translated};
use adapters_json::{edit, read};
use serde_json::value::RawValue;

use super::members::{Edit, Member, cut, elements, get, members, rename, replace};
use super::{parts, words};
use crate::call_id;
use crate::quirk::{Quirk, Quirks};

/// Fits `body`, a request of the dialect, to a server.
///
/// Also takes the seals out of ids that a client got from here for the calls of another provider
/// (see `call_id`): OpenAI refuses ids of that length. A body that is no object stays as it is.
///
/// What was left out comes back as losses; a member that says what is the case anyway (`n: 1`,
/// `tool_choice: "auto"`) is none.
#[must_use]
pub fn adapt_request(body: &[u8], quirks: Quirks) -> Translated<Cow<'_, [u8]>> {
    let sealed = !quirks.has(Quirk::TakesCallSeals) && call_id::may_be_in(body);
    if !sealed && quirks.is_empty() {
        return Cow::Borrowed(body).into();
    }
    let json = read::text(body).ok();
    let Some((json, raw)) = json.and_then(|json| Some((json, serde_json::from_str(json).ok()?)))
    else {
        return Cow::Borrowed(body).into();
    };
    let mut fit = Fit { json, quirks, sealed, edits: Vec::new(), losses: Vec::new() };
    fit.request(raw);
    let Fit { mut edits, losses, .. } = fit;
    if edits.is_empty() {
        return Translated { value: Cow::Borrowed(body), losses };
    }
    edits.sort_by_key(|(range, _)| range.start);
    Translated { value: Cow::Owned(edit::splice(body, &edits)), losses }
}

/// The quirks that leave a member out.
fn without(member: &str) -> &'static [Quirk] {
    match member {
        "stream_options" => &[Quirk::NoStreamOptions],
        "parallel_tool_calls" => &[Quirk::NoParallelToolCalls],
        "tool_choice" => &[Quirk::NoToolChoice],
        "user" | "safety_identifier" => &[Quirk::NoUser],
        "metadata" => &[Quirk::NoMetadata],
        "store" => &[Quirk::NoStore],
        "service_tier" => &[Quirk::NoServiceTier],
        "verbosity" => &[Quirk::NoVerbosity],
        "prompt_cache_key" => &[Quirk::NoPromptCache],
        "prompt_cache_retention" | "prompt_cache_options" => {
            &[Quirk::NoPromptCache, Quirk::NoCacheRetention]
        }
        "reasoning_effort" => &[Quirk::NoReasoningEffort],
        "seed" => &[Quirk::NoSeed],
        "logprobs" | "top_logprobs" => &[Quirk::NoLogprobs],
        "logit_bias" => &[Quirk::NoLogitBias],
        "presence_penalty" | "frequency_penalty" => &[Quirk::NoPenalties],
        "n" => &[Quirk::OneChoice],
        _ => &[],
    }
}

/// Whether a member says only what is the case without it.
fn says_nothing(key: &str, value: &str) -> bool {
    match key {
        // The gateway looks for the usage wherever it comes.
        "stream_options" => true,
        "n" => value == "1",
        "tool_choice" => value == r#""auto""#,
        "parallel_tool_calls" => value == "true",
        "store" | "logprobs" => value == "false",
        "service_tier" => matches!(value, r#""auto""# | r#""default""#),
        "presence_penalty" | "frequency_penalty" => value.parse() == Ok(0.0),
        _ => false,
    }
}

struct Fit<'a> {
    json: &'a str,
    quirks: Quirks,
    sealed: bool,
    edits: Vec<Edit>,
    losses: Vec<Loss>,
}

impl Fit<'_> {
    fn request(&mut self, raw: &RawValue) {
        let all = members(raw);
        let quirks = self.quirks;
        let leaves_out = |member: &Member<'_>| {
            member.key.is_some_and(|key| without(key).iter().any(|quirk| quirks.has(*quirk)))
        };
        let both = quirks.has(Quirk::MaxTokens)
            && get(&all, "max_tokens").is_some()
            && get(&all, "max_completion_tokens").is_some();
        // The newer name goes before the older one.
        let keep = |member: &Member<'_>| {
            let older = both && member.key == Some("max_tokens");
            !leaves_out(member) && !older
        };
        cut(self.json, &all, keep, &mut self.edits);
        for member in &all {
            let Some(key) = member.key else { continue };
            let value = member.value.get();
            if leaves_out(member) {
                if value != "null" && !says_nothing(key, value) {
                    let reason = "the provider does not have it";
                    self.losses.push(Loss::dropped(key.to_owned(), reason));
                }
                continue;
            }
            self.member(key, member, &all);
        }
    }

    fn member(&mut self, key: &str, member: &Member<'_>, all: &[Member<'_>]) {
        let has = |quirk| self.quirks.has(quirk);
        match key {
            "max_completion_tokens" if has(Quirk::MaxTokens) => {
                rename(self.json, member, "max_tokens", &mut self.edits);
            }
            "seed" if has(Quirk::RandomSeed) => {
                rename(self.json, member, "random_seed", &mut self.edits);
            }
            "service_tier" | "reasoning_effort" => {
                let said = words::said(key, member.value.get(), self.quirks);
                let Some(words::Said { word, loss }) = said else { return };
                replace(self.json, member.value.get(), word.as_bytes(), &mut self.edits);
                self.losses.extend(loss);
            }
            "response_format" if has(Quirk::NoJsonSchema) => self.response_format(member.value),
            "tool_choice" => self.tool_choice(member.value),
            "tools" => self.tools(member.value, get(all, "tool_choice")),
            "messages" => elements(member.value)
                .iter()
                .enumerate()
                .for_each(|(at, message)| self.message(message.value, at)),
            _ => {}
        }
    }

    fn response_format(&mut self, value: &RawValue) {
        let kind = get(&members(value), "type");
        if kind.is_some_and(|kind| kind.get() == r#""json_schema""#) {
            replace(self.json, value.get(), br#"{"type":"json_object"}"#, &mut self.edits);
            let reason = "the provider promises JSON, but no schema";
            self.losses.push(Loss::adapted("response_format.json_schema", reason));
        }
    }

    fn tool_choice(&mut self, value: &RawValue) {
        let required: &[u8] =
            if self.quirks.has(Quirk::RequiredIsAny) { br#""any""# } else { br#""required""# };
        if value.get() == r#""required""# && self.quirks.has(Quirk::RequiredIsAny) {
            replace(self.json, value.get(), required, &mut self.edits);
        }
        if let Some((_, is_required)) = self.allowed(value) {
            let word = if is_required { required } else { br#""auto""# };
            replace(self.json, value.get(), word, &mut self.edits);
            let reason = "the provider is offered no other tools";
            self.losses.push(Loss::adapted("tool_choice.allowed_tools", reason));
        }
    }

    /// The tools that may be called, by their kind and name, and whether one must be; `None` if
    /// the server is told so itself, or if nothing is forbidden.
    fn allowed(&self, choice: &RawValue) -> Option<(Vec<String>, bool)> {
        if !self.quirks.has(Quirk::NoAllowedTools) {
            return None;
        }
        let allowed = get(&members(choice), "allowed_tools")?;
        let allowed = members(allowed);
        let required = get(&allowed, "mode").is_some_and(|mode| mode.get() == r#""required""#);
        let names = elements(get(&allowed, "tools")?);
        Some((names.iter().map(|tool| name(tool.value)).collect(), required))
    }

    fn tools(&mut self, value: &RawValue, choice: Option<&RawValue>) {
        let tools = elements(value);
        let allowed = choice.and_then(|choice| self.allowed(choice));
        let keep = |tool: &Member<'_>| {
            allowed.as_ref().is_none_or(|(names, _)| names.contains(&name(tool.value)))
        };
        cut(self.json, &tools, keep, &mut self.edits);
        for (at, tool) in tools.iter().enumerate().filter(|(_, tool)| keep(tool)) {
            let Some(function) = get(&members(tool.value), "function") else { continue };
            if !self.quirks.has(Quirk::NoStrict) {
                continue;
            }
            let all = members(function);
            if get(&all, "strict").is_some_and(|strict| strict.get() == "true") {
                let path = format!("tools[{at}].function.strict");
                self.losses.push(Loss::dropped(path, "the provider does not have it"));
            }
            let keep = |member: &Member<'_>| member.key != Some("strict");
            cut(self.json, &all, keep, &mut self.edits);
        }
    }

    fn message(&mut self, message: &RawValue, at: usize) {
        let all = members(message);
        if self.quirks.has(Quirk::NoNames) && get(&all, "name").is_some() {
            let keep = |member: &Member<'_>| member.key != Some("name");
            cut(self.json, &all, keep, &mut self.edits);
            let path = format!("messages[{at}].name");
            self.losses.push(Loss::dropped(path, "the provider does not have it"));
        }
        if let Some(role) = get(&all, "role").filter(|role| role.get() == r#""developer""#)
            && self.quirks.has(Quirk::NoDeveloperRole)
        {
            replace(self.json, role.get(), br#""system""#, &mut self.edits);
        }
        if let Some(content) = get(&all, "content").filter(|_| parts::differ(self.quirks)) {
            parts::adapt(self.json, content, self.quirks, &mut self.edits);
        }
        if self.sealed || self.quirks.has(Quirk::ShortCallIds) {
            self.id(get(&all, "tool_call_id"));
            for call in get(&all, "tool_calls").map(elements).unwrap_or_default() {
                self.id(get(&members(call.value), "id"));
            }
        }
    }

    fn id(&mut self, id: Option<&RawValue>) {
        let Some(id) = id.and_then(|id| id.get().strip_prefix('"')?.strip_suffix('"')) else {
            return;
        };
        let own = match self.sealed && !id.contains('\\') {
            true => call_id::apart(id).0,
            false => id,
        };
        let own = match self.quirks.has(Quirk::ShortCallIds) {
            true => words::short_id(own),
            false => Cow::Borrowed(own),
        };
        if *own != *id {
            replace(self.json, id, own.as_bytes(), &mut self.edits);
        }
    }
}

/// What a tool is called by: of a function and a custom tool its name, of any other its type.
fn name(tool: &RawValue) -> String {
    let all = members(tool);
    let named = get(&all, "function").or(get(&all, "custom"));
    let name = named.and_then(|it| get(&members(it), "name"));
    name.or(get(&all, "type")).map(|it| it.get().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    #[track_caller]
    fn check(quirks: &[Quirk], body: &str, expected: &str, lost: &[&str]) {
        let fit = adapt_request(body.as_bytes(), Quirks::of(quirks));
        assert_eq!(std::str::from_utf8(&fit.value).unwrap(), expected);
        let paths: Vec<_> = fit.losses.iter().map(|loss| &*loss.path).collect();
        assert_eq!(paths, lost);
    }

    #[test]
    fn members_are_left_out_wherever_they_stand() {
        let without = [Quirk::NoStore, Quirk::NoUser];
        for (body, expected) in [
            (r#"{"store":true,"model":"m" }"#, r#"{"model":"m" }"#),
            (r#"{ "store" : true , "user":"u", "model":"m"}"#, r#"{   "model":"m"}"#),
            (r#"{"model":"m", "store":true,"user":"u"}"#, r#"{"model":"m"}"#),
            (r#"{"store":true,"model":"m","user":"u","x":1}"#, r#"{"model":"m","x":1}"#),
            (r#"{"store":true}"#, "{}"),
        ] {
            let fit = adapt_request(body.as_bytes(), Quirks::of(&without));
            assert_eq!(std::str::from_utf8(&fit.value).unwrap(), expected);
            assert!(!fit.losses.is_empty());
        }
    }

    #[test]
    fn what_is_the_case_anyway_is_no_loss() {
        check(
            &[Quirk::OneChoice, Quirk::NoToolChoice, Quirk::NoStreamOptions, Quirk::NoPenalties],
            r#"{"n":1,"tool_choice":"auto","stream_options":{"include_usage":true},"presence_penalty":0.0}"#,
            "{}",
            &[],
        );
        check(&[Quirk::OneChoice], r#"{"n":2}"#, "{}", &["n"]);
        check(&[Quirk::NoStore], r#"{"store":null}"#, "{}", &[]);
    }

    #[test]
    fn members_get_the_name_the_server_knows() {
        let quirks = [Quirk::MaxTokens, Quirk::RandomSeed, Quirk::RequiredIsAny];
        check(
            &quirks,
            r#"{"max_completion_tokens": 5,"seed":7,"tool_choice":"required"}"#,
            r#"{"max_tokens": 5,"random_seed":7,"tool_choice":"any"}"#,
            &[],
        );
        check(&quirks, r#"{"max_tokens":9,"max_completion_tokens":5}"#, r#"{"max_tokens":5}"#, &[]);
    }

    #[test]
    fn roles_names_and_strictness_are_found_inside() {
        check(
            &[Quirk::NoDeveloperRole, Quirk::NoNames, Quirk::NoStrict],
            r#"{"messages":[{"role":"developer","name":"n","content":"role developer"}],
                "tools":[{"type":"function","function":{"strict":true,"name":"f"}}]}"#,
            r#"{"messages":[{"role":"system","content":"role developer"}],
                "tools":[{"type":"function","function":{"name":"f"}}]}"#,
            &["messages[0].name", "tools[0].function.strict"],
        );
    }

    #[test]
    fn tools_that_are_not_allowed_are_not_offered() {
        check(
            &[Quirk::NoAllowedTools, Quirk::RequiredIsAny],
            r#"{"tools":[{"type":"function","function":{"name":"a"}},{"type":"function","function":{"name":"b"}}],
                "tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required",
                "tools":[{"type":"function","function":{"name":"b"}}]}}}"#,
            r#"{"tools":[{"type":"function","function":{"name":"b"}}],
                "tool_choice":"any"}"#,
            &["tool_choice.allowed_tools"],
        );
    }

    #[test]
    fn a_schema_becomes_a_wish_for_json() {
        check(
            &[Quirk::NoJsonSchema],
            r#"{"response_format":{"type":"json_schema","json_schema":{"name":"n"}}}"#,
            r#"{"response_format":{"type":"json_object"}}"#,
            &["response_format.json_schema"],
        );
    }

    /// field 30
    #[test]
    fn a_seal_in_an_id_does_not_reach_a_server_that_gave_none() {
        let body = |id: &str| {
            format!(
                r#"{{"messages":[{{"role":"assistant","tool_calls":[{{"id":"{id}","function":{{"name":"f"}}}}]}},
                {{"role":"tool","tool_call_id":"{id}","content":"c__thought__YWJj"}}]}}"#
            )
        };
        check(&[], &body("call_1__thought__YWJj"), &body("call_1"), &[]);
        check(&[], &body("call_1"), &body("call_1"), &[]);
        let sealed = body("call_1__thought__YWJj");
        check(&[Quirk::TakesCallSeals], &sealed, &sealed, &[]);
    }

    #[test]
    fn what_is_no_object_stays() {
        for body in ["", "[]", "7", "{", "\"__thought__\""] {
            check(Quirk::ALL, body, body, &[]);
        }
    }

    proptest! {
        /// Whatever is cut out, the rest is the same JSON.
        #[test]
        fn the_rest_stays(
            members in prop::collection::vec(
                (prop::sample::select(vec!["store", "user", "model", "n", "x", "seed"]), 0_u8..9),
                0..7,
            ),
            space in prop::sample::select(vec!["", " ", "\n "]),
        ) {
            let written: Vec<_> =
                members.iter().map(|(key, value)| format!("{space}\"{key}\"{space}:{space}{value}{space}")).collect();
            let body = format!("{{{}}}", written.join(","));
            let quirks = Quirks::of(&[Quirk::NoStore, Quirk::NoUser, Quirk::NoSeed]);
            let fit = adapt_request(body.as_bytes(), quirks);
            let read: Value = serde_json::from_slice(&fit.value).unwrap();
            let mut expected = json!({});
            for (key, value) in members {
                if !matches!(key, "store" | "user" | "seed") {
                    expected[key] = value.into();
                }
            }
            prop_assert_eq!(read, expected);
        }
    }
}
