//! A stream of OpenAI's that is no conversation (completions, pictures, speech, transcripts), on its way
//! from a provider to a client: every event passes as it is.

use adapters_canonical::failure::{Failure, UpstreamError};
use adapters_canonical::ingress::StreamTap;
use adapters_canonical::loss::DecodeError;
use adapters_canonical::usage::Usage as Tokens;
use adapters_json::string::Str;
use adapters_openai_words::failure::encode_failure;
use adapters_openai_words::refusal::stream_error;
use adapters_sse::{Decoder, Frame};
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::read_any_usage;

/// Passes events on and learns what they cost.
///
/// These streams have no last event in common. One is complete with `[DONE]`, with an event whose type
/// ends in `.completed` or `.done`, or with a choice that has ended; of one that has nothing of the kind,
/// whatever came is taken for all of it.
#[derive(Debug)]
pub struct PlainTap {
    frames: Decoder,
    seen: Seen,
}

#[derive(Debug)]
struct Seen {
    request_id: String,
    usage: Option<Tokens>,
    begun: bool,
    done: bool,
    /// Whether its events are of a kind of which the last one is known, and whether that has come.
    known: bool,
    ended: bool,
    error: Option<UpstreamError>,
    malformed: u64,
}

impl PlainTap {
    /// A tap for the answer to this request.
    #[must_use]
    pub fn new(request_id: String) -> Self {
        let seen = Seen {
            request_id,
            usage: None,
            begun: false,
            done: false,
            known: false,
            ended: false,
            error: None,
            malformed: 0,
        };
        Self { frames: Decoder::new(), seen }
    }
}

impl Seen {
    fn pass(&mut self, frame: &Frame<'_>, out: &mut Vec<u8>) {
        if self.error.is_some() {
            return;
        }
        match &*frame.data {
            b"" => {}
            b"[DONE]" => self.done = true,
            data => {
                let json = std::str::from_utf8(data).ok();
                let json = json.filter(|it| serde_json::from_str::<IgnoredAny>(it).is_ok());
                let Some(json) = json else {
                    self.malformed += 1;
                    return;
                };
                if let Some(error) = stream_error(json, frame.event == Some("error")) {
                    self.error = Some(error);
                    return;
                }
                self.begun = true;
                self.learn(json);
                if let Some(usage) = read_any_usage(data) {
                    self.usage.get_or_insert_default().update(&usage);
                }
            }
        }
        out.extend_from_slice(frame.raw);
    }

    fn learn(&mut self, json: &str) {
        #[derive(Deserialize)]
        struct Peek<'a> {
            #[serde(borrow, rename = "type")]
            kind: Option<Str<'a>>,
            choices: Option<Vec<Choice>>,
        }

        #[derive(Deserialize)]
        struct Choice {
            finish_reason: Option<IgnoredAny>,
        }

        let Ok(peek) = serde_json::from_str::<Peek<'_>>(json) else { return };
        self.known |= peek.kind.is_some() || peek.choices.is_some();
        let said = |kind: &Str<'_>| kind.ends_with(".completed") || kind.ends_with(".done");
        let mut choices = peek.choices.iter().flatten();
        self.ended |= peek.kind.as_ref().is_some_and(said)
            || choices.any(|choice| choice.finish_reason.is_some());
    }
}

impl StreamTap for PlainTap {
    fn push(&mut self, chunk: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
        let pushed = self.frames.push(chunk);
        while let Some(frame) = self.frames.next_frame() {
            self.seen.pass(&frame, out);
        }
        pushed.map_err(|error| DecodeError::Framing(error.to_string()))
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), DecodeError> {
        self.frames.finish();
        while let Some(frame) = self.frames.next_frame() {
            self.seen.pass(&frame, out);
        }
        let Seen { begun, done, known, ended, .. } = self.seen;
        if self.seen.error.is_some() || !begun || (known && !ended && !done) {
            return Err(DecodeError::Truncated);
        }
        self.seen.done = true;
        Ok(())
    }

    /// As an error on which official SDKs raise: there is no event that every client would take for
    /// the end of an answer that stopped early.
    fn fail(&mut self, failure: &Failure, out: &mut Vec<u8>) {
        out.extend_from_slice(b"data: ");
        out.extend_from_slice(&encode_failure(failure, &self.seen.request_id).body);
        out.extend_from_slice(b"\n\n");
    }

    fn usage(&self) -> Option<&Tokens> {
        self.seen.usage.as_ref()
    }

    /// Nothing is guessed: pictures and sounds have no words to go by.
    fn unreported(&self) -> u64 {
        0
    }

    fn saw_content(&self) -> bool {
        self.seen.begun
    }

    fn is_complete(&self) -> bool {
        self.seen.done
    }

    fn error(&self) -> Option<&UpstreamError> {
        self.seen.error.as_ref()
    }

    fn malformed(&self) -> u64 {
        self.seen.malformed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passed(stream: &str) -> (String, PlainTap) {
        let mut tap = PlainTap::new("r".to_owned());
        let mut out = Vec::new();
        for piece in stream.as_bytes().chunks(7) {
            tap.push(piece, &mut out).unwrap();
        }
        (String::from_utf8(out).unwrap(), tap)
    }

    #[test]
    fn every_event_passes_and_its_usage_is_noted() {
        let stream = ": hello\n\ndata: {\"choices\":[{\"text\":\"A\"}], \"x\":1.0}\n\n\
            data: {\"choices\":[],\"usage\":{\"prompt_tokens\":5,\"completion_tokens\":2}}\n\n\
            data: [DONE]\n\n";
        let (out, mut tap) = passed(stream);
        assert_eq!(out, stream);
        assert!(tap.saw_content() && tap.is_complete());
        let usage = tap.usage().unwrap();
        assert_eq!((usage.input, usage.output), (Some(5), Some(2)));
        assert_eq!(tap.finish(&mut Vec::new()), Ok(()));
    }

    #[test]
    fn the_usage_of_pictures_and_transcripts_is_said_in_other_words() {
        let stream = "event: image_generation.completed\ndata: {\"type\":\"image_generation.completed\",\"b64_json\":\"AA\",\"usage\":\
            {\"input_tokens\":9,\"output_tokens\":4,\"input_tokens_details\":{\"image_tokens\":3}}}\n\n";
        let (_, mut tap) = passed(stream);
        let usage = tap.usage().unwrap();
        assert_eq!((usage.input, usage.output, usage.input_image), (Some(9), Some(4), Some(3)));
        assert_eq!(tap.finish(&mut Vec::new()), Ok(()));
    }

    #[test]
    fn an_error_is_left_out_and_so_is_what_follows() {
        let (out, mut tap) = passed(
            "data: {\"error\":{\"message\":\"full\",\"type\":\"server_error\"}}\n\ndata: {\"a\":1}\n\n",
        );
        assert_eq!(out, "");
        assert!(!tap.saw_content() && tap.error().is_some());
        assert_eq!(tap.finish(&mut Vec::new()), Err(DecodeError::Truncated));
        let mut out = Vec::new();
        tap.fail(&Failure::Internal, &mut out);
        let out = String::from_utf8(out).unwrap();
        assert!(out.starts_with("data: {\"error\":{") && out.ends_with("}\n\n"), "{out}");
    }

    #[test]
    fn a_stream_is_complete_with_its_last_event_and_not_before() {
        let ends = |stream: &str| passed(stream).1.finish(&mut Vec::new()).is_ok();
        assert!(!ends("data: {\"choices\":[{\"text\":\"A\",\"finish_reason\":null}]}\n\n"));
        assert!(ends("data: {\"choices\":[{\"text\":\"A\",\"finish_reason\":\"stop\"}]}\n\n"));
        assert!(!ends("data: {\"type\":\"transcript.text.delta\"}\n\n"));
        assert!(ends("data: {\"type\":\"transcript.text.done\"}\n\n"));
        assert!(ends("data: {\"of_its_own_kind\":1}\n\n"));
    }

    #[test]
    fn a_stream_without_an_event_is_none() {
        assert_eq!(passed(": hello\n\n").1.finish(&mut Vec::new()), Err(DecodeError::Truncated));
    }
}
