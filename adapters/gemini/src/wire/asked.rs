//! A request to `generateContent` as clients write it.
//!
//! Google's servers take every member by two names, `systemInstruction` and `system_instruction`,
//! and so does this. `null` is as good as absent. What has no field here is kept unread.

use std::collections::BTreeMap;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use adapters_json::string::Str;

/// Members that have no field, as the client wrote them, in order.
pub(crate) type Others<'a> = Vec<(Str<'a>, &'a RawValue)>;

/// Writes a struct and its visitor. A flattened map for the rest would make serde buffer
/// everything, and a derived struct would read an array too.
macro_rules! members {
    ($(#[$doc:meta])* $name:ident<$life:lifetime> {
        $($field:ident $(/ $camel:literal)?: $type:ty,)*
    }) => {
        $(#[$doc])*
        #[derive(Debug, Default)]
        pub(crate) struct $name<$life> {
            $(pub(crate) $field: Option<$type>,)*
            pub(crate) other: Others<$life>,
        }

        impl<$life> $name<$life> {
            fn read<A: MapAccess<$life>>(&mut self, mut map: A) -> Result<(), A::Error> {
                while let Some(key) = map.next_key::<Str<$life>>()? {
                    match &*key {
                        $(stringify!($field) $(| $camel)? => {
                            if self.$field.is_some() {
                                let name = [$($camel,)? stringify!($field)][0];
                                return Err(de::Error::duplicate_field(name));
                            }
                            self.$field = map.next_value()?;
                        })*
                        _ => {
                            if let Some(value) = map.next_value::<Option<&'a RawValue>>()? {
                                self.other.push((key, value));
                            }
                        }
                    }
                }
                Ok(())
            }
        }

        impl<$life, 'de: $life> Deserialize<'de> for $name<$life> {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                struct Members;

                impl<'de> Visitor<'de> for Members {
                    type Value = $name<'de>;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("an object")
                    }

                    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<$name<'de>, A::Error> {
                        let mut it = $name::default();
                        it.read(map)?;
                        Ok(it)
                    }
                }

                from.deserialize_map(Members)
            }
        }
    };
}

members! {
    /// The whole body.
    Request<'a> {
        contents: Vec<Content<'a>>,
        system_instruction / "systemInstruction": Content<'a>,
        tools: Vec<Tool<'a>>,
        tool_config / "toolConfig": ToolConfig<'a>,
        generation_config / "generationConfig": GenerationConfig<'a>,
        service_tier / "serviceTier": Str<'a>,
        store: bool,
        labels: BTreeMap<String, String>,
        cached_content / "cachedContent": Str<'a>,
    }
}

members! {
    /// One turn.
    Content<'a> {
        role: Str<'a>,
        parts: Vec<Part<'a>>,
    }
}

members! {
    /// One piece of a turn.
    Part<'a> {
        text: Str<'a>,
        thought: bool,
        thought_signature / "thoughtSignature": Str<'a>,
        function_call / "functionCall": FunctionCall<'a>,
        function_response / "functionResponse": FunctionResponse<'a>,
        inline_data / "inlineData": Blob<'a>,
        file_data / "fileData": FileData<'a>,
    }
}

members! {
    /// The model called a function.
    FunctionCall<'a> {
        id: Str<'a>,
        name: Str<'a>,
        args: &'a RawValue,
    }
}

members! {
    /// What a function answered.
    FunctionResponse<'a> {
        id: Str<'a>,
        name: Str<'a>,
        response: &'a RawValue,
        parts: Vec<Part<'a>>,
    }
}

members! {
    /// Bytes.
    Blob<'a> {
        mime_type / "mimeType": Str<'a>,
        data: Str<'a>,
        display_name / "displayName": Str<'a>,
    }
}

members! {
    /// Bytes that lie elsewhere.
    FileData<'a> {
        mime_type / "mimeType": Str<'a>,
        file_uri / "fileUri": Str<'a>,
        display_name / "displayName": Str<'a>,
    }
}

members! {
    /// What the model may call: functions of the client, and any tools of the provider beside them.
    Tool<'a> {
        function_declarations / "functionDeclarations": Vec<FunctionDeclaration<'a>>,
    }
}

members! {
    /// A function of the client.
    FunctionDeclaration<'a> {
        name: Str<'a>,
        description: Str<'a>,
        parameters: &'a RawValue,
        parameters_json_schema / "parametersJsonSchema": &'a RawValue,
    }
}

members! {
    /// Whether and what the model must call.
    ToolConfig<'a> {
        function_calling_config / "functionCallingConfig": FunctionCallingConfig<'a>,
    }
}

members! {
    /// Whether and which functions of the client the model must call.
    FunctionCallingConfig<'a> {
        mode: Str<'a>,
        allowed_function_names / "allowedFunctionNames": Vec<String>,
        stream_function_call_arguments / "streamFunctionCallArguments": bool,
    }
}

members! {
    /// How to answer.
    GenerationConfig<'a> {
        candidate_count / "candidateCount": u32,
        max_output_tokens / "maxOutputTokens": u64,
        temperature: f64,
        top_p / "topP": f64,
        top_k / "topK": f64,
        seed: i64,
        presence_penalty / "presencePenalty": f64,
        frequency_penalty / "frequencyPenalty": f64,
        response_logprobs / "responseLogprobs": bool,
        logprobs: u32,
        stop_sequences / "stopSequences": Vec<String>,
        response_mime_type / "responseMimeType": Str<'a>,
        response_schema / "responseSchema": &'a RawValue,
        response_json_schema / "responseJsonSchema": &'a RawValue,
        response_modalities / "responseModalities": Vec<Str<'a>>,
        thinking_config / "thinkingConfig": ThinkingConfig<'a>,
    }
}

members! {
    /// How much to think, and how much of it to show.
    ThinkingConfig<'a> {
        include_thoughts / "includeThoughts": bool,
        thinking_budget / "thinkingBudget": i64,
        thinking_level / "thinkingLevel": Str<'a>,
    }
}

members! {
    /// A body of `batchEmbedContents`.
    Batch<'a> {
        requests: Vec<Embed<'a>>,
    }
}

members! {
    /// A body of `embedContent`, or one of a batch; the model is the one of the address.
    Embed<'a> {
        model: Str<'a>,
        content: Content<'a>,
        task_type / "taskType": Str<'a>,
        title: Str<'a>,
        output_dimensionality / "outputDimensionality": u32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_names_of_a_member_are_read_and_not_at_once() {
        for name in ["systemInstruction", "system_instruction"] {
            let body = format!(r#"{{"{name}":{{"parts":[{{"text":"x"}}]}},"new":1,"old":null}}"#);
            let request: Request<'_> = serde_json::from_str(&body).unwrap();
            assert!(request.system_instruction.is_some(), "{name}");
            assert_eq!(request.other.len(), 1, "null is as good as absent");
        }
        let twice = r#"{"toolConfig":{},"tool_config":{}}"#;
        let error = serde_json::from_str::<Request<'_>>(twice).unwrap_err().to_string();
        assert!(error.contains("duplicate field `toolConfig`"), "{error}");
        assert!(serde_json::from_str::<Request<'_>>("[]").is_err());
    }
}
