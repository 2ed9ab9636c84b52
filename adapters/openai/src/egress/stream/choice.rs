//! One answer of a stream: which of its parts are open.

use adapters_canonical::annotation::Citation;
use adapters_canonical::delta::{Delta, PartKind};
use adapters_canonical::dialect::Dialect;
use adapters_canonical::loss::Loss;
use serde_json::value::RawValue;

use super::Parts;
use super::call::{Calls, fragment, legacy_fragment};
use super::sound::Sound;
use crate::citation::{self, characters};
use crate::egress::response::{Piece, audio_loss, logprobs, picture, piece};
use crate::thought;
use crate::wire::answer::Message;
use crate::wire::content::{Content, Kept, ReasoningDetail};

/// What is known of one answer.
#[derive(Debug)]
pub(super) struct ChoiceState {
    pub(super) index: u32,
    pub(super) finished: bool,
    /// The text, thought or refusal that is being said.
    open: Option<Open>,
    calls: Calls,
    /// What was said while calls were open: parts of one answer must not overlap, so it waits
    /// until the calls have ended.
    waiting: Vec<Waiting>,
    /// What the last detail said that opened a thought: its index, whose it is, and its name.
    opened: Option<(u32, Option<Dialect>, Option<String>)>,
    /// Citations of a text that has not begun.
    citations: Vec<Citation>,
    /// How many characters of text were said, all parts of it together.
    said: u64,
    sound: Sound,
    /// What has been reported as lost: not once a chunk.
    lost: Vec<Loss>,
}

#[derive(Debug)]
struct Open {
    part: u32,
    words: Words,
    /// Of a thought: its index among `reasoning_details`.
    detail: Option<u32>,
    /// Of a thought: whether its words came beside the details, which then only repeat them.
    spoken: bool,
    /// Of a text: how many characters of the answer stand before it.
    before: u64,
    /// Whether any words of it were said.
    begun: bool,
}

#[derive(Debug)]
enum Waiting {
    Words(Words, String),
    Whole(PartKind, Option<Sealed>),
}

#[derive(Debug)]
struct Sealed {
    text: String,
    signature: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Words {
    Text,
    Thought,
    Refusal,
}

/// Where deltas go, and how their parts are numbered.
pub(super) struct Out<'a> {
    pub(super) parts: &'a mut Parts,
    pub(super) deltas: &'a mut Vec<Delta>,
}

impl ChoiceState {
    pub(super) fn new(index: u32) -> Self {
        Self {
            index,
            finished: false,
            open: None,
            calls: Calls::default(),
            waiting: Vec::new(),
            opened: None,
            citations: Vec::new(),
            said: 0,
            sound: Sound::default(),
            lost: Vec::new(),
        }
    }

    pub(super) fn has_calls(&self) -> bool {
        self.calls.any()
    }

    /// Reads one delta; `answer` is the stream's id, for calls that have none.
    pub(super) fn delta(&mut self, delta: Message<'_>, answer: &str, out: &mut Out<'_>) {
        let words = delta.reasoning_content.or(delta.reasoning).filter(|text| !text.is_empty());
        self.thoughts(words, delta.reasoning_details.unwrap_or_default(), out);
        match delta.content {
            Some(Content::Text(text)) => self.say(Words::Text, text, out),
            Some(Content::Parts(all)) => {
                all.into_iter().for_each(|kept| self.content_part(kept, out));
            }
            None => {}
        }
        self.say(Words::Refusal, delta.refusal.unwrap_or_default(), out);
        if let Some(audio) = delta.audio {
            self.say(Words::Text, audio.transcript.unwrap_or_default(), out);
            if audio.id.is_some() {
                self.lose(audio_loss(self.index), out);
            }
            if let Some(loss) = self.sound.add(audio.data.as_deref(), self.index) {
                self.lose(loss, out);
            }
        }
        self.cite([("annotations", delta.annotations), ("citations", delta.citations)], out);
        for media in delta.images.into_iter().flatten().filter_map(picture) {
            self.whole(PartKind::Image(media), None, out);
        }
        let calls = delta.tool_calls.into_iter().flatten().filter_map(fragment);
        for fragment in calls.chain(delta.function_call.map(legacy_fragment)) {
            self.close_words(out);
            self.calls.add(fragment, (answer, self.index), out.parts, out.deltas);
        }
    }

    pub(super) fn logprobs(&mut self, raw: &RawValue, out: &mut Out<'_>) {
        let mut losses = Vec::new();
        if let Some(tokens) = logprobs(raw, self.index, &mut losses).filter(|it| !it.is_empty()) {
            out.deltas.push(Delta::Logprobs { choice: self.index, tokens });
        }
        losses.into_iter().for_each(|loss| self.lose(loss, out));
    }

    /// Ends what is open, and says what waited for that.
    pub(super) fn close(&mut self, out: &mut Out<'_>) {
        self.close_words(out);
        self.calls.close(out.deltas);
        for waiting in std::mem::take(&mut self.waiting) {
            match waiting {
                Waiting::Words(words, text) => self.say(words, text, out),
                Waiting::Whole(kind, sealed) => self.whole(kind, sealed, out),
            }
        }
        self.close_words(out);
        if let Some(media) = self.sound.take() {
            self.whole(PartKind::Audio(media), None, out);
        }
        if !std::mem::take(&mut self.citations).is_empty() {
            let path = format!("choices[{}].message.annotations", self.index);
            self.lose(Loss::dropped(path, "there is no text that they are about"), out);
        }
    }

    fn lose(&mut self, loss: Loss, out: &mut Out<'_>) {
        if !self.lost.contains(&loss) {
            self.lost.push(loss.clone());
            out.deltas.push(Delta::Loss(loss));
        }
    }

    fn close_words(&mut self, out: &mut Out<'_>) {
        if let Some(Open { part, .. }) = self.open.take() {
            out.deltas.push(Delta::PartEnd { part });
        }
    }

    fn say(&mut self, words: Words, text: String, out: &mut Out<'_>) {
        if text.is_empty() {
            return;
        }
        if self.calls.open() {
            match self.waiting.last_mut() {
                Some(Waiting::Words(last, waiting)) if *last == words => waiting.push_str(&text),
                Some(_) | None => self.waiting.push(Waiting::Words(words, text)),
            }
            return;
        }
        let part = self.part_of(words, out);
        if let Some(open) = &mut self.open {
            open.begun = true;
        }
        if words == Words::Text {
            self.said = self.said.saturating_add(characters(&text));
        }
        out.deltas.push(Delta::Text { part, text });
        if words == Words::Text && !self.citations.is_empty() {
            for citation in std::mem::take(&mut self.citations) {
                self.cite_open(citation, out);
            }
        }
    }

    fn part_of(&mut self, words: Words, out: &mut Out<'_>) -> u32 {
        match &self.open {
            Some(open) if open.words == words => open.part,
            Some(_) | None => {
                let kind = match words {
                    Words::Text => PartKind::Text,
                    Words::Thought => {
                        PartKind::Reasoning { redacted: None, origin: None, id: None }
                    }
                    Words::Refusal => PartKind::Refusal,
                };
                self.begin(words, kind, None, out)
            }
        }
    }

    fn begin(
        &mut self,
        words: Words,
        kind: PartKind,
        detail: Option<u32>,
        out: &mut Out<'_>,
    ) -> u32 {
        self.close_words(out);
        let part = out.parts.next();
        out.deltas.push(Delta::PartStart { part, choice: self.index, kind });
        self.open =
            Some(Open { part, words, detail, spoken: false, before: self.said, begun: false });
        part
    }

    /// A part that comes in one piece.
    fn whole(&mut self, kind: PartKind, sealed: Option<Sealed>, out: &mut Out<'_>) {
        if self.calls.open() {
            self.waiting.push(Waiting::Whole(kind, sealed));
            return;
        }
        self.close_words(out);
        let part = out.parts.next();
        out.deltas.push(Delta::PartStart { part, choice: self.index, kind });
        if let Some(Sealed { text, signature }) = sealed {
            if !text.is_empty() {
                out.deltas.push(Delta::Text { part, text });
            }
            out.deltas.push(Delta::Signature { part, signature });
        }
        out.deltas.push(Delta::PartEnd { part });
    }

    /// A detail that only opens a thought comes before its words, any other after them.
    fn thoughts(
        &mut self,
        words: Option<String>,
        details: Vec<ReasoningDetail<'_>>,
        out: &mut Out<'_>,
    ) {
        let has_words = words.is_some();
        for detail in &details {
            self.open_thought(detail, out);
        }
        self.say(Words::Thought, words.unwrap_or_default(), out);
        if let Some(open) = self.open.as_mut().filter(|_| has_words) {
            open.spoken = true;
        }
        for detail in details {
            self.detail(detail, has_words, out);
        }
    }

    /// Begins the thought that a detail is about, if the detail says whose it is, which cannot be
    /// said later, or if it says nothing else.
    fn open_thought(&mut self, detail: &ReasoningDetail<'_>, out: &mut Out<'_>) {
        let origin = thought::origin(detail.format.as_deref());
        let id = detail.id.clone().filter(|id| !id.is_empty());
        let whole = detail.data.is_some() || id.as_deref() == Some(thought::CONTENT);
        let says = |text: &Option<String>| text.as_ref().is_some_and(|text| !text.is_empty());
        let opens = [&detail.text, &detail.summary, &detail.signature];
        let opens = detail.index.is_some() && !opens.into_iter().any(says);
        if self.calls.open() || whole || (origin.is_none() && id.is_none() && !opens) {
            return;
        }
        let same = self.open.as_ref().is_some_and(|open| {
            let place = |index: Option<u32>| index.unwrap_or(0);
            open.words == Words::Thought && place(open.detail) == place(detail.index)
        });
        self.opened = detail.index.map(|index| (index, origin, id.clone()));
        if !same {
            let kind = PartKind::Reasoning { redacted: None, origin, id };
            self.begin(Words::Thought, kind, detail.index, out);
        }
    }

    /// A thought in OpenRouter's form. Its text is a repetition where `reasoning` is there too.
    fn detail(&mut self, detail: ReasoningDetail<'_>, has_words: bool, out: &mut Out<'_>) {
        let some = |text: Option<String>| text.filter(|text| !text.is_empty());
        let opened = self.opened.clone().filter(|(index, ..)| Some(*index) == detail.index);
        let (_, origin, id) = opened.unwrap_or_default();
        let origin = thought::origin(detail.format.as_deref()).or(origin);
        let id = some(detail.id).or(id);
        if let Some(data) = some(detail.data) {
            let kind = PartKind::Reasoning { redacted: Some(data), origin, id };
            self.whole(kind, None, out);
            return;
        }
        let text = detail.text.or(detail.summary).unwrap_or_default();
        let Some(signature) = some(detail.signature) else {
            let spoken = self.open.as_ref().is_some_and(|open| open.spoken);
            if !has_words && !spoken {
                self.say(Words::Thought, text, out);
            }
            return;
        };
        if id.as_deref() == Some(thought::CONTENT) {
            self.seal_content(signature, out);
        } else if self.calls.open() {
            let kind = PartKind::Reasoning { redacted: None, origin, id };
            self.whole(kind, Some(Sealed { text, signature }), out);
        } else {
            // A sealed detail repeats the whole thought that has been streamed, if it has been.
            let is_said = |open: &Open| open.words == Words::Thought && open.begun;
            let said = self.open.as_ref().is_some_and(is_said);
            if !has_words && !said {
                self.say(Words::Thought, text, out);
            }
            let part = self.part_of(Words::Thought, out);
            out.deltas.push(Delta::Signature { part, signature });
            self.close_words(out);
        }
    }

    /// The seal on the words of the answer, or if they are over, a thought without words.
    fn seal_content(&mut self, signature: String, out: &mut Out<'_>) {
        match &self.open {
            Some(Open { part, words: Words::Text, .. }) => {
                out.deltas.push(Delta::Signature { part: *part, signature });
            }
            Some(_) | None => {
                let origin = Some(Dialect::Gemini);
                let kind = PartKind::Reasoning { redacted: None, origin, id: None };
                self.whole(kind, Some(Sealed { text: String::new(), signature }), out);
            }
        }
    }

    fn content_part(&mut self, kept: Kept<'_>, out: &mut Out<'_>) {
        match piece(kept) {
            Piece::Text(text) => self.say(Words::Text, text, out),
            Piece::Refusal(text) => self.say(Words::Refusal, text, out),
            Piece::Thought { text, signature } => {
                self.say(Words::Thought, text, out);
                if let Some(signature) = signature.filter(|_| !self.calls.open()) {
                    let part = self.part_of(Words::Thought, out);
                    out.deltas.push(Delta::Signature { part, signature });
                    self.close_words(out);
                }
            }
            Piece::Image(media) => self.whole(PartKind::Image(media), None, out),
            Piece::Opaque(opaque) => self.whole(PartKind::Opaque(opaque), None, out),
        }
    }

    fn cite(&mut self, lists: [(&str, Option<Vec<&RawValue>>); 2], out: &mut Out<'_>) {
        for (name, list) in lists {
            for raw in list.into_iter().flatten() {
                match citation::read(raw) {
                    Some(citation) => self.cite_open(citation, out),
                    None => {
                        let path = format!("choices[{}].message.{name}", self.index);
                        self.lose(Loss::dropped(path, "not a known kind of citation"), out);
                    }
                }
            }
        }
    }

    /// A citation goes with the text that is being said, or waits for one.
    fn cite_open(&mut self, mut citation: Citation, out: &mut Out<'_>) {
        match &self.open {
            Some(Open { part, words: Words::Text, before, .. }) => {
                citation.range = citation
                    .range
                    .map(|(from, to)| (from.saturating_sub(*before), to.saturating_sub(*before)));
                out.deltas.push(Delta::Citation { part: *part, citation });
            }
            Some(_) | None => self.citations.push(citation),
        }
    }
}
