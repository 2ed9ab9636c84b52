//! One log line, as `tracing` writes it, for less than half of the cost.
//!
//! A line has two dozen fields and most are plain words and numbers. `tracing` sends each through
//! several layers of formatting, and reads the calendar anew for every line; of a request that is
//! passed through that was a fourteenth of all instructions. Whatever is out of the ordinary is left
//! to `tracing`: events of other libraries, spans, errors, words with quotes in them.

mod clock;

use std::error::Error;
use std::fmt::{self, Debug, Write as _};
use std::time::SystemTime;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::fmt::format::{DefaultVisitor, Format, Full, Json, Writer};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::registry::LookupSpan;

/// What most lines fit in.
const USUAL_LENGTH: usize = 512;

/// Lines for people: `name="word"` and `name=1`, with a space between two fields.
pub(super) struct Text(Format<Full>);

/// Lines for machines: one JSON object each.
pub(super) struct Object(Format<Json>);

impl Text {
    pub(super) fn new() -> Self {
        Self(tracing_subscriber::fmt::format().with_ansi(false))
    }
}

impl Object {
    pub(super) fn new() -> Self {
        Self(tracing_subscriber::fmt::format().json().flatten_event(true))
    }
}

impl<S, N> FormatEvent<S, N> for Text
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if !is_ordinary(context, event) {
            return self.0.format_event(context, writer, event);
        }
        let mut line = String::with_capacity(USUAL_LENGTH);
        clock::write(now(), &mut line);
        line.push(' ');
        line.push_str(match *event.metadata().level() {
            Level::ERROR => "ERROR",
            Level::WARN => " WARN",
            Level::INFO => " INFO",
            Level::DEBUG => "DEBUG",
            Level::TRACE => "TRACE",
        });
        line.push(' ');
        line.push_str(event.metadata().target());
        line.push_str(": ");
        let mut fields = TextFields { line, is_empty: true };
        event.record(&mut fields);
        fields.line.push('\n');
        writer.write_str(&fields.line)
    }
}

impl<S, N> FormatEvent<S, N> for Object
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        if !is_ordinary(context, event) {
            return self.0.format_event(context, writer, event);
        }
        let mut line = String::with_capacity(USUAL_LENGTH);
        line.push_str(r#"{"timestamp":""#);
        clock::write(now(), &mut line);
        line.push_str(r#"","level":""#);
        line.push_str(event.metadata().level().as_str());
        line.push('"');
        let mut fields = ObjectFields { line };
        event.record(&mut fields);
        let ObjectFields { mut line } = fields;
        line.push_str(r#","target":"#);
        push_json(event.metadata().target(), &mut line);
        line.push_str("}\n");
        writer.write_str(&line)
    }
}

#[expect(clippy::disallowed_methods, reason = "a line says when it was written")]
fn now() -> SystemTime {
    SystemTime::now()
}

/// Whether an event is one of ours, outside of any span.
fn is_ordinary<S, N>(context: &FmtContext<'_, S, N>, event: &Event<'_>) -> bool
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    // What comes out of the crate `log` has its own target in its fields.
    event.metadata().target() != "log" && context.event_scope().is_none()
}

struct TextFields {
    line: String,
    is_empty: bool,
}

impl TextFields {
    fn begin(&mut self, field: &Field) {
        if !self.is_empty {
            self.line.push(' ');
        }
        self.is_empty = false;
        self.line.push_str(field.name());
        self.line.push('=');
    }

    /// Leaves a field to `tracing`.
    fn leave(&mut self, record: impl FnOnce(&mut DefaultVisitor<'_>)) {
        let mut visitor = DefaultVisitor::new(Writer::new(&mut self.line), self.is_empty);
        record(&mut visitor);
        self.is_empty = false;
    }
}

impl Visit for TextFields {
    fn record_str(&mut self, field: &Field, value: &str) {
        if is_special(field) || !is_plain(value) {
            return self.leave(|visitor| visitor.record_str(field, value));
        }
        self.begin(field);
        self.line.push('"');
        self.line.push_str(value);
        self.line.push('"');
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if is_special(field) {
            return self.leave(|visitor| visitor.record_u64(field, value));
        }
        self.begin(field);
        self.line.push_str(itoa::Buffer::new().format(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        if is_special(field) {
            return self.leave(|visitor| visitor.record_f64(field, value));
        }
        self.begin(field);
        push_float(value, &mut self.line);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        if is_special(field) {
            return self.leave(|visitor| visitor.record_bool(field, value));
        }
        self.begin(field);
        self.line.push_str(if value { "true" } else { "false" });
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.leave(|visitor| visitor.record_error(field, value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.leave(|visitor| visitor.record_debug(field, value));
    }
}

struct ObjectFields {
    line: String,
}

impl ObjectFields {
    fn begin(&mut self, field: &Field) {
        self.line.push_str(",\"");
        self.line.push_str(field.name().trim_start_matches("r#"));
        self.line.push_str("\":");
    }
}

impl Visit for ObjectFields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.begin(field);
        push_json(value, &mut self.line);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.begin(field);
        self.line.push_str(itoa::Buffer::new().format(value));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.begin(field);
        self.line.push_str(itoa::Buffer::new().format(value));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.begin(field);
        if value.is_finite() {
            push_float(value, &mut self.line);
        } else {
            self.line.push_str("null");
        }
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.begin(field);
        self.line.push_str(if value { "true" } else { "false" });
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.begin(field);
        push_json(&format!("{value:?}"), &mut self.line);
    }
}

/// Writes a string as JSON has it.
fn push_json(value: &str, line: &mut String) {
    if is_plain(value) {
        line.push('"');
        line.push_str(value);
        line.push('"');
    } else {
        // Cannot fail: a string is valid JSON, and a string takes all of it.
        let _ = write!(line, "{}", serde_json::Value::from(value));
    }
}

/// Writes a number as `Debug` does. Durations have two digits behind the point at most, and need
/// no search for the shortest digits that mean the same.
fn push_float(value: f64, line: &mut String) {
    let hundredths = (value * 100.0).round();
    if !(0.0..1e12).contains(&value) || hundredths / 100.0 != value {
        // Cannot fail: a string takes all of it.
        let _ = write!(line, "{value:?}");
        return;
    }
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "in bounds")]
    let hundredths = hundredths as u64;
    line.push_str(itoa::Buffer::new().format(hundredths / 100));
    line.push('.');
    let rest = hundredths % 100;
    line.push(char::from(b'0' + (rest / 10) as u8));
    if !rest.is_multiple_of(10) {
        line.push(char::from(b'0' + (rest % 10) as u8));
    }
}

/// Fields that are not written as `name=value`, or not at all.
fn is_special(field: &Field) -> bool {
    let name = field.name();
    match name.as_bytes().first() {
        Some(b'm') => name == "message",
        Some(b'l') => name.starts_with("log."),
        Some(b'r') => name.starts_with("r#"),
        _ => false,
    }
}

/// Whether all bytes stand for themselves between quotes. Looks at all of them: without a way out the
/// compiler looks at many at once.
fn is_plain(value: &str) -> bool {
    value.bytes().fold(true, |plain, byte| {
        plain & matches!(byte, b' '..=b'~') & (byte != b'"') & (byte != b'\\')
    })
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::util::SubscriberInitExt;

    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// The lines that `start` makes of all kinds of events, without their times.
    fn lines(start: impl FnOnce(Kept) -> tracing::subscriber::DefaultGuard) -> Vec<String> {
        let kept = Kept::default();
        let guard = start(kept.clone());
        let none: Option<u64> = None;
        let error = io::Error::other("it \u{1b}[1m broke");
        tracing::info!(word = "a b/c", number = 7_u64, less = -1, part = 1.5, yes = true, none);
        tracing::info!(target: "other::place", whole = 200.0, two = 0.07, long = 1.0 / 3.0, below = -2.5);
        tracing::warn!(quote = "say \"yes\"\\", line = "a\nb", accent = "é\u{301}", empty = "");
        tracing::info!(%error, cause = &error as &(dyn Error + 'static), "a message \u{1b}[1m");
        tracing::error!("only a message");
        tracing::info!(message = "a field \"message\"", shown = ?Some("x"));
        tracing::info_span!("span", of = 1).in_scope(|| tracing::info!(in_a = "span"));
        drop(guard);
        let kept = kept.0.lock().unwrap().clone();
        let text = String::from_utf8(kept).unwrap();
        let at = if text.starts_with('{') { r#"{"timestamp":""#.len() } else { 0 };
        let time = "2026-11-27T22:15:55.000001Z".len();
        text.lines().map(|line| format!("{}{}", &line[..at], &line[at + time..])).collect()
    }

    #[test]
    fn a_line_for_people_is_what_tracing_would_have_written() {
        let builder = |kept: Kept| {
            tracing_subscriber::fmt().with_ansi(false).with_writer(move || kept.clone())
        };
        let ours = lines(|kept| builder(kept).event_format(Text::new()).finish().set_default());
        assert_eq!(
            ours[0],
            r#"  INFO penstock::logging::line::tests: word="a b/c" number=7 less=-1 part=1.5 yes=true"#
        );
        assert_eq!(ours, lines(|kept| builder(kept).finish().set_default()));
    }

    #[test]
    fn a_line_for_machines_is_what_tracing_would_have_written() {
        let builder = |kept: Kept| {
            tracing_subscriber::fmt().json().flatten_event(true).with_writer(move || kept.clone())
        };
        let parsed = |lines: Vec<String>| -> Vec<serde_json::Value> {
            lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect()
        };
        let ours = lines(|kept| builder(kept).event_format(Object::new()).finish().set_default());
        let theirs = lines(|kept| builder(kept).finish().set_default());
        assert_eq!(parsed(ours), parsed(theirs));
    }
}
