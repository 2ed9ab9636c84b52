//! Events of a response.

use serde_json::{Value, json};

use super::{halves, list, named, text};

pub(super) fn stream(answer: &Value) -> Vec<u8> {
    let mut stream = Stream { out: String::new(), number: 0 };
    let mut begun = answer.clone();
    for (name, value) in [
        ("status", json!("in_progress")),
        ("output", json!([])),
        ("usage", Value::Null),
        ("incomplete_details", Value::Null),
        ("service_tier", json!("auto")),
    ] {
        begun[name] = value;
    }
    stream.event(json!({"type": "response.created", "response": begun}));
    stream.event(json!({"type": "response.in_progress", "response": begun}));
    for (at, item) in list(&answer["output"]).iter().enumerate() {
        stream.item(at, item);
    }
    let kind = format!("response.{}", text(&answer["status"]));
    stream.event(json!({"type": kind, "response": answer}));
    stream.out.into_bytes()
}

struct Stream {
    out: String,
    number: u64,
}

impl Stream {
    fn event(&mut self, mut event: Value) {
        event["sequence_number"] = self.number.into();
        self.number += 1;
        named(&mut self.out, &event);
    }

    fn item(&mut self, at: usize, item: &Value) {
        let mut added = item.clone();
        let kind = text(&item["type"]);
        let emptied: &[(&str, Value)] = &match kind {
            "message" => vec![("content", json!([]))],
            "reasoning" => {
                vec![
                    ("summary", json!([])),
                    ("content", json!([])),
                    ("encrypted_content", json!("")),
                ]
            }
            "function_call" => vec![("arguments", json!(""))],
            "custom_tool_call" => vec![("input", json!(""))],
            _ => vec![],
        };
        for (name, value) in emptied {
            if added.get(name).is_some() {
                added[*name] = value.clone();
            }
        }
        let place = json!({"output_index": at, "item_id": item["id"]});
        self.event(
            json!({"type": "response.output_item.added", "output_index": at, "item": added}),
        );
        match kind {
            "message" => {
                for (nth, part) in list(&item["content"]).iter().enumerate() {
                    self.part(&place, nth, part);
                }
            }
            "reasoning" => self.thought(&place, item),
            "function_call" => self.said(
                &place,
                "response.function_call_arguments",
                ("arguments", text(&item["arguments"])),
            ),
            "custom_tool_call" => self.said(
                &place,
                "response.custom_tool_call_input",
                ("input", text(&item["input"])),
            ),
            _ => {}
        }
        self.event(json!({"type": "response.output_item.done", "output_index": at, "item": item}));
    }

    fn at(&mut self, place: &Value, kind: &str, rest: Value) {
        let mut event = place.clone();
        event["type"] = kind.into();
        for (name, value) in rest.as_object().into_iter().flatten() {
            event[name] = value.clone();
        }
        self.event(event);
    }

    fn said(&mut self, place: &Value, kind: &str, (member, text): (&str, &str)) {
        for half in halves(text) {
            self.at(place, &format!("{kind}.delta"), json!({"delta": half}));
        }
        self.at(place, &format!("{kind}.done"), json!({ member: text }));
    }

    fn part(&mut self, place: &Value, nth: usize, part: &Value) {
        let mut place = place.clone();
        place["content_index"] = nth.into();
        let mut empty = part.clone();
        for name in ["text", "refusal"] {
            if part.get(name).is_some() {
                empty[name] = "".into();
            }
        }
        for name in ["annotations", "logprobs"] {
            if part.get(name).is_some() {
                empty[name] = json!([]);
            }
        }
        self.at(&place, "response.content_part.added", json!({ "part": empty }));
        match text(&part["type"]) {
            "output_text" => {
                let tokens = part.get("logprobs").cloned().unwrap_or(json!([]));
                let [first, second] = halves(text(&part["text"]));
                let kind = "response.output_text.delta";
                self.at(&place, kind, json!({"delta": first, "logprobs": tokens}));
                self.at(&place, kind, json!({"delta": second, "logprobs": []}));
                for (at, annotation) in list(&part["annotations"]).iter().enumerate() {
                    let said = json!({"annotation": annotation, "annotation_index": at});
                    self.at(&place, "response.output_text.annotation.added", said);
                }
                let said = json!({"text": part["text"], "logprobs": tokens});
                self.at(&place, "response.output_text.done", said);
            }
            "refusal" => {
                self.said(&place, "response.refusal", ("refusal", text(&part["refusal"])));
            }
            _ => {}
        }
        self.at(&place, "response.content_part.done", json!({ "part": part }));
    }

    fn thought(&mut self, place: &Value, item: &Value) {
        for (nth, part) in list(&item["summary"]).iter().enumerate() {
            let mut place = place.clone();
            place["summary_index"] = nth.into();
            let empty = json!({"type": "summary_text", "text": ""});
            self.at(&place, "response.reasoning_summary_part.added", json!({ "part": empty }));
            let words = ("text", text(&part["text"]));
            self.said(&place, "response.reasoning_summary_text", words);
            self.at(&place, "response.reasoning_summary_part.done", json!({ "part": part }));
        }
        for (nth, part) in list(&item["content"]).iter().enumerate() {
            let mut place = place.clone();
            place["content_index"] = nth.into();
            self.said(&place, "response.reasoning_text", ("text", text(&part["text"])));
        }
    }
}
