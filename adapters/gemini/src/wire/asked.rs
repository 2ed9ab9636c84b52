//! A request to `generateContent` as clients write it.
//!
//! Google's servers take every member by two names, `systemInstruction` and `system_instruction`,
//! and so does this. `null` is as good as absent. What has no field here is kept unread.

use std::collections::BTreeMap;

use adapters_json::object::{Unread, object};
use adapters_json::string::Str;
use serde_json::value::RawValue;

object! {
    /// The whole body.
    pub(crate) Request<'a> {
        contents: Vec<Content<'a>>,
        system_instruction or "systemInstruction": Content<'a>,
        tools: Vec<Tool<'a>>,
        tool_config or "toolConfig": ToolConfig<'a>,
        generation_config or "generationConfig": GenerationConfig<'a>,
        service_tier or "serviceTier": Str<'a>,
        store: bool,
        labels: BTreeMap<String, String>,
        cached_content or "cachedContent": Str<'a>,
        ..other: Unread<'a>
    }
}

object! {
    /// One turn.
    pub(crate) Content<'a> {
        role: Str<'a>,
        parts: Vec<Part<'a>>,
        ..other: Unread<'a>
    }
}

object! {
    /// One piece of a turn.
    pub(crate) Part<'a> {
        text: Str<'a>,
        thought: bool,
        thought_signature or "thoughtSignature": Str<'a>,
        function_call or "functionCall": FunctionCall<'a>,
        function_response or "functionResponse": FunctionResponse<'a>,
        inline_data or "inlineData": Blob<'a>,
        file_data or "fileData": FileData<'a>,
        ..other: Unread<'a>
    }
}

object! {
    /// The model called a function.
    pub(crate) FunctionCall<'a> {
        id: Str<'a>,
        name: Str<'a>,
        args: &'a RawValue,
        ..other: Unread<'a>
    }
}

object! {
    /// What a function answered.
    pub(crate) FunctionResponse<'a> {
        id: Str<'a>,
        name: Str<'a>,
        response: &'a RawValue,
        parts: Vec<Part<'a>>,
        ..other: Unread<'a>
    }
}

object! {
    /// Bytes.
    pub(crate) Blob<'a> {
        mime_type or "mimeType": Str<'a>,
        data: Str<'a>,
        display_name or "displayName": Str<'a>,
        ..other: Unread<'a>
    }
}

object! {
    /// Bytes that lie elsewhere.
    pub(crate) FileData<'a> {
        mime_type or "mimeType": Str<'a>,
        file_uri or "fileUri": Str<'a>,
        display_name or "displayName": Str<'a>,
        ..other: Unread<'a>
    }
}

object! {
    /// What the model may call: functions of the client, and any tools of the provider beside them.
    pub(crate) Tool<'a> {
        function_declarations or "functionDeclarations": Vec<FunctionDeclaration<'a>>,
        ..other: Unread<'a>
    }
}

object! {
    /// A function of the client.
    pub(crate) FunctionDeclaration<'a> {
        name: Str<'a>,
        description: Str<'a>,
        parameters: &'a RawValue,
        parameters_json_schema or "parametersJsonSchema": &'a RawValue,
        ..other: Unread<'a>
    }
}

object! {
    /// Whether and what the model must call.
    pub(crate) ToolConfig<'a> {
        function_calling_config or "functionCallingConfig": FunctionCallingConfig<'a>,
        ..other: Unread<'a>
    }
}

object! {
    /// Whether and which functions of the client the model must call.
    pub(crate) FunctionCallingConfig<'a> {
        mode: Str<'a>,
        allowed_function_names or "allowedFunctionNames": Vec<String>,
        stream_function_call_arguments or "streamFunctionCallArguments": bool,
        ..other: Unread<'a>
    }
}

object! {
    /// How to answer.
    pub(crate) GenerationConfig<'a> {
        candidate_count or "candidateCount": u32,
        max_output_tokens or "maxOutputTokens": u64,
        temperature: f64,
        top_p or "topP": f64,
        top_k or "topK": f64,
        seed: i64,
        presence_penalty or "presencePenalty": f64,
        frequency_penalty or "frequencyPenalty": f64,
        response_logprobs or "responseLogprobs": bool,
        logprobs: u32,
        stop_sequences or "stopSequences": Vec<String>,
        response_mime_type or "responseMimeType": Str<'a>,
        response_schema or "responseSchema": &'a RawValue,
        response_json_schema or "responseJsonSchema": &'a RawValue,
        response_modalities or "responseModalities": Vec<Str<'a>>,
        thinking_config or "thinkingConfig": ThinkingConfig<'a>,
        ..other: Unread<'a>
    }
}

object! {
    /// How much to think, and how much of it to show.
    pub(crate) ThinkingConfig<'a> {
        include_thoughts or "includeThoughts": bool,
        thinking_budget or "thinkingBudget": i64,
        thinking_level or "thinkingLevel": Str<'a>,
        ..other: Unread<'a>
    }
}

object! {
    /// A body of `batchEmbedContents`.
    pub(crate) Batch<'a> {
        requests: Vec<Embed<'a>>,
        ..other: Unread<'a>
    }
}

object! {
    /// A body of `embedContent`, or one of a batch; the model is the one of the address.
    pub(crate) Embed<'a> {
        model: Str<'a>,
        content: Content<'a>,
        task_type or "taskType": Str<'a>,
        title: Str<'a>,
        output_dimensionality or "outputDimensionality": u32,
        ..other: Unread<'a>
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
            assert_eq!(request.other.0.len(), 1, "null is as good as absent");
        }
        let twice = r#"{"toolConfig":{},"tool_config":{}}"#;
        let error = serde_json::from_str::<Request<'_>>(twice).unwrap_err().to_string();
        assert!(error.contains("duplicate field `toolConfig`"), "{error}");
        assert!(serde_json::from_str::<Request<'_>>("[]").is_err());
    }
}
