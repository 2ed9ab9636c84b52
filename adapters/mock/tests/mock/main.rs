//! What the mock promises.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use adapters_canonical::chat::{
    ChatRequest, ChatResponse, FinishReason, Function, JsonSchema, Message, OutputFormat, Part,
    Reasoning, Role, Text, Tool, ToolCall, ToolChoice, ToolKind, ToolResult,
};
use adapters_canonical::delta::{Delta, PartKind};
use adapters_mock::{answer, deltas};
use proptest::prelude::*;
use serde_json::value::RawValue;

fn raw(json: &str) -> Box<RawValue> {
    RawValue::from_string(json.to_owned()).unwrap()
}

fn message(role: Role, part: Part) -> Message {
    Message { role, parts: vec![part], name: None }
}

fn says(text: &str) -> ChatRequest {
    let messages = vec![message(Role::User, Part::Text(Text::from(text)))];
    ChatRequest { messages, ..ChatRequest::default() }
}

fn weather() -> Tool {
    Tool::Function(Function {
        name: "get_weather".to_owned(),
        parameters: Some(raw(
            r#"{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}"#,
        )),
        ..Function::default()
    })
}

fn adder() -> Tool {
    let name = "add".to_owned();
    let schema = r#"{"properties":{"a":{"type":"integer"},"b":{"type":"integer"}}}"#;
    Tool::Function(Function { name, parameters: Some(raw(schema)), ..Function::default() })
}

fn with_tools(text: &str) -> ChatRequest {
    ChatRequest { tools: vec![weather(), adder()], ..says(text) }
}

fn text_of(answer: &ChatResponse) -> String {
    let parts = answer.choices.iter().flat_map(|choice| &choice.parts);
    let texts = parts.filter_map(|part| match part {
        Part::Text(text) => Some(text.text.as_str()),
        _ => None,
    });
    texts.collect()
}

fn calls(answer: &ChatResponse) -> Vec<ToolCall> {
    let parts = answer.choices.iter().flat_map(|choice| &choice.parts);
    let calls = parts.filter_map(|part| match part {
        Part::ToolCall(call) => Some(call.clone()),
        _ => None,
    });
    calls.collect()
}

fn ends(answer: &ChatResponse) -> Vec<FinishReason> {
    answer.choices.iter().map(|choice| choice.finish.reason).collect()
}

/// Answer and steps, as anybody reading the fixtures would want to see them.
#[track_caller]
fn check(case: &str, request: &ChatRequest) {
    let dir = tests_golden::fixture("mock").join(case);
    let answer = answer(request);
    tests_golden::assert_text(dir.join("answer.expected.txt"), &format!("{answer:#?}\n"));
    let steps = deltas(&answer);
    let steps = steps.iter().fold(String::new(), |all, delta| all + &format!("{delta:?}\n"));
    tests_golden::assert_text(dir.join("deltas.expected.txt"), &steps);
}

#[test]
fn words_are_repeated() {
    check("text", &says("Good morning, it's 7 o'clock."));
}

#[test]
fn a_tool_that_is_asked_for_is_called() {
    check("tool", &with_tools("How is the weather in Ghent?"));
}

#[test]
fn several_tools_are_called_at_once() {
    let answer = answer(&with_tools("Tell me the weather in Ghent and add 2 and 3."));
    let called: Vec<_> =
        calls(&answer).into_iter().map(|call| (call.name, call.arguments)).collect();
    let expected = [("get_weather", r#"{"city":"Ghent"}"#), ("add", r#"{"a":2,"b":3}"#)];
    assert_eq!(called, expected.map(|(name, json)| (name.to_owned(), json.to_owned())));
    assert_eq!(ends(&answer), [FinishReason::ToolCalls]);
}

#[test]
fn a_custom_tool_gets_the_words() {
    let mut request = says("sing it");
    request.tools.push(Tool::Custom(adapters_canonical::chat::CustomTool {
        name: "voice".to_owned(),
        description: None,
        format: None,
    }));
    request.tool_choice = Some(ToolChoice::Required);
    let [call] = &calls(&answer(&request))[..] else { unreachable!() };
    assert_eq!((call.kind, call.arguments.as_str()), (ToolKind::Custom, "sing it"));
}

#[test]
fn results_are_quoted_and_nothing_is_called_again() {
    let mut request = with_tools("How is the weather in Ghent?");
    request.tool_choice = Some(ToolChoice::Required);
    let call = calls(&answer(&request)).remove(0);
    let result = ToolResult {
        call_id: call.id.clone(),
        parts: vec![Part::Text(Text::from("21 degrees"))],
        is_error: None,
        cache: None,
    };
    request.messages.push(message(Role::Assistant, Part::ToolCall(call)));
    request.messages.push(message(Role::Tool, Part::ToolResult(result)));
    assert_eq!(text_of(&answer(&request)), "`get_weather` answered: “21 degrees”.");
}

#[test]
fn a_limit_cuts_and_says_so() {
    let limited = |limit, request: ChatRequest| {
        let answer = answer(&ChatRequest { max_output_tokens: Some(limit), ..request });
        assert!(answer.usage.as_ref().and_then(|usage| usage.output) <= Some(limit));
        answer
    };
    let short = limited(3, says("one two three"));
    assert_eq!(
        (text_of(&short).as_str(), ends(&short)),
        ("Hello! You", vec![FinishReason::Length])
    );
    let cut = limited(7, with_tools("weather in Ghent"));
    assert_eq!(calls(&cut)[0].arguments, "{\"city\"");
    assert_eq!(ends(&cut), [FinishReason::Length]);
    assert_eq!(ends(&limited(0, with_tools("weather"))), [FinishReason::Length]);
    assert_eq!(ends(&limited(1000, says("x"))), [FinishReason::Stop]);
}

#[test]
fn a_stop_sequence_stops_and_is_named() {
    let stop = vec!["said".to_owned(), "You".to_owned(), String::new()];
    let answer = answer(&ChatRequest { stop, ..says("x") });
    assert_eq!(text_of(&answer), "Hello! ");
    assert_eq!(answer.choices[0].finish.stop_sequence.as_deref(), Some("You"));
    assert_eq!(ends(&answer), [FinishReason::Stop]);
}

#[test]
fn a_long_speech_is_not_repeated_whole() {
    let text = text_of(&answer(&says(&"word ".repeat(100_000))));
    assert_eq!(text.matches("word").count(), 200);
    assert!(text.contains("word …”"), "{text}");
}

#[test]
fn several_choices_differ() {
    let answer = answer(&ChatRequest { choices: Some(2), ..says("x") });
    let text = text_of(&answer);
    assert!(text.contains("(Answer 1 of 2.)") && text.contains("(Answer 2 of 2.)"), "{text}");
}

#[test]
fn json_is_json() {
    let read = |output_format| {
        let answer = answer(&ChatRequest { output_format, ..says("It is \"warm\" in Ghent") });
        serde_json::from_str::<serde_json::Value>(&text_of(&answer)).unwrap()
    };
    assert!(read(OutputFormat::JsonObject)["answer"].as_str().unwrap().contains("\"warm\""));
    let schema = Some(raw(r#"{"properties":{"mood":{"enum":["good"]},"word":{"type":"string"}}}"#));
    let format = JsonSchema { name: "s".to_owned(), description: None, schema, strict: None };
    let got = read(OutputFormat::JsonSchema(format));
    assert_eq!(got, serde_json::json!({"mood": "good", "word": "warm"}));
}

#[test]
fn reasoning_is_shown_unless_it_is_not_wanted() {
    let thinks = |effort: &str, visible| {
        let effort = Some(effort.to_owned());
        let reasoning = Some(Reasoning { effort, max_tokens: None, visible });
        let answer = answer(&ChatRequest { reasoning, ..says("x") });
        let tokens = answer.usage.as_ref().and_then(|usage| usage.reasoning).unwrap();
        let thought = matches!(answer.choices[0].parts[0], Part::Reasoning(_));
        assert_eq!(tokens > 0, thought);
        thought
    };
    assert!(thinks("low", None));
    assert!(!thinks("none", None));
    assert!(!thinks("low", Some(false)));
}

#[test]
fn the_usage_can_be_checked_by_hand() {
    // `add`, its schema, and the two words said.
    let request = ChatRequest { tools: vec![adder()], ..says("Hi there") };
    let usage = answer(&request).usage.unwrap();
    let schema = r#"{"properties":{"a":{"type":"integer"},"b":{"type":"integer"}}}"#;
    let marks = schema.chars().filter(|c| !c.is_alphanumeric()).count();
    let words = ["properties", "a", "type", "integer", "b", "type", "integer"].len();
    assert_eq!(usage.input, Some((1 + marks + words + 2) as u64));
    // Hello ! You said : “ Hi there ” Thank you for telling me .
    assert_eq!(usage.output, Some(15));
}

#[test]
fn the_id_depends_on_the_conversation_and_on_nothing_else() {
    let id = |request: &ChatRequest| answer(request).id;
    let (one, two) = (says("x"), says("y"));
    assert_ne!(id(&one), id(&two));
    let streamed = ChatRequest { stream: Some(Default::default()), ..says("x") };
    assert_eq!(id(&one), id(&streamed));
}

proptest! {
    #[test]
    fn the_steps_together_are_the_answer(
        text in ".{0,60}",
        tools in any::<bool>(),
        limit in prop::option::of(0_u64..40),
        choices in 1_u32..4,
    ) {
        let mut request = if tools { with_tools(&text) } else { says(&text) };
        request.max_output_tokens = limit;
        request.choices = Some(choices);
        let answer = answer(&request);
        let (mut parts, mut ends, mut usage) = (Vec::new(), Vec::new(), None);
        for delta in deltas(&answer) {
            match delta {
                Delta::PartStart { kind: PartKind::ToolCall { name, .. }, .. } => {
                    parts.push(name + " ");
                }
                Delta::PartStart { .. } => parts.push(String::new()),
                Delta::Text { part, text: more } | Delta::Arguments { part, fragment: more } => {
                    parts[part as usize].push_str(&more);
                }
                Delta::Finish { finish, .. } => ends.push(finish),
                Delta::Usage(all) => usage = Some(all),
                _ => {}
            }
        }
        let whole: Vec<_> = answer.choices.iter().flat_map(|choice| &choice.parts).map(|part| {
            match part {
                Part::Text(text) => text.text.clone(),
                Part::ToolCall(call) => format!("{} {}", call.name, call.arguments),
                other => format!("{other:?}"),
            }
        }).collect();
        prop_assert_eq!(parts, whole);
        prop_assert_eq!(ends.len(), choices as usize);
        prop_assert_eq!(usage, answer.usage);
    }
}
