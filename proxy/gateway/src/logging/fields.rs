//! The fields of a log line for people, as `tracing` writes them, for less than half of the cost.
//!
//! A line has a dozen fields and most are plain words and numbers. `tracing` writes each through
//! several layers of formatting, with colours that are off, and looks for escapes char by char;
//! of a request that is passed through that was a tenth of all instructions.

use std::error::Error;
use std::fmt::{self, Debug};

use tracing::field::{Field, Visit};
use tracing_subscriber::field::{RecordFields, VisitOutput};
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::{DefaultVisitor, Writer};

/// Writes `name="word"` and `name=1`, with a space between two fields.
pub(super) struct PlainFields;

impl<'writer> FormatFields<'writer> for PlainFields {
    fn format_fields<R: RecordFields>(&self, writer: Writer<'writer>, fields: R) -> fmt::Result {
        let mut line = Line { writer, is_empty: true, result: Ok(()) };
        fields.record(&mut line);
        line.result
    }
}

struct Line<'a> {
    writer: Writer<'a>,
    is_empty: bool,
    result: fmt::Result,
}

impl Line<'_> {
    fn write(&mut self, field: &Field, write: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        if self.result.is_err() {
            return;
        }
        let space = if self.is_empty { "" } else { " " };
        self.is_empty = false;
        self.result = self
            .writer
            .write_str(space)
            .and_then(|()| self.writer.write_str(field.name()))
            .and_then(|()| self.writer.write_str("="))
            .and_then(|()| write(&mut self.writer));
    }

    /// Leaves a field to `tracing`, which leaves out what repeats the line's own data.
    fn leave(&mut self, field: &Field, record: impl FnOnce(&mut DefaultVisitor<'_>)) {
        if self.result.is_err() {
            return;
        }
        let mut visitor = DefaultVisitor::new(self.writer.by_ref(), self.is_empty);
        record(&mut visitor);
        self.result = visitor.finish();
        self.is_empty &= field.name().starts_with("log.");
    }
}

impl Visit for Line<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        if is_special(field) || !value.bytes().all(is_plain) {
            return self.leave(field, |visitor| visitor.record_str(field, value));
        }
        self.write(field, |writer| {
            writer.write_str("\"")?;
            writer.write_str(value)?;
            writer.write_str("\"")
        });
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if is_special(field) {
            return self.leave(field, |visitor| visitor.record_u64(field, value));
        }
        self.write(field, |writer| writer.write_fmt(format_args!("{value}")));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        if is_special(field) {
            return self.leave(field, |visitor| visitor.record_bool(field, value));
        }
        self.write(field, |writer| writer.write_str(if value { "true" } else { "false" }));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn Error + 'static)) {
        self.leave(field, |visitor| visitor.record_error(field, value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.leave(field, |visitor| visitor.record_debug(field, value));
    }
}

/// Fields that are not written as `name=value`, or not at all.
fn is_special(field: &Field) -> bool {
    let name = field.name();
    name == "message" || name.starts_with("log.") || name.starts_with("r#")
}

/// Whether a byte stands for itself between quotes.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"' && byte != b'\\'
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use tracing_subscriber::fmt::format::DefaultFields;

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

    fn written(fields: impl for<'a> FormatFields<'a> + Send + Sync + 'static) -> String {
        let kept = Kept::default();
        let writer = kept.clone();
        let subscriber = tracing_subscriber::fmt()
            .fmt_fields(fields)
            .with_ansi(false)
            .without_time()
            .with_writer(move || writer.clone())
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            let none: Option<u64> = None;
            let error = io::Error::other("it \u{1b}[1m broke");
            tracing::info!(word = "a b/c", number = 7_u64, less = -1, part = 1.5, yes = true, none);
            tracing::info!(quote = "say \"yes\"\\", line = "a\nb", accent = "é\u{301}", empty = "");
            tracing::info!(%error, cause = &error as &(dyn Error + 'static), "a message \u{1b}[1m");
            tracing::info!("only a message");
            tracing::info!(message = "a field \"message\"", shown = ?Some("x"));
        });
        let kept = kept.0.lock().unwrap().clone();
        String::from_utf8(kept).unwrap()
    }

    #[test]
    fn a_line_is_what_tracing_would_have_written() {
        let plain = written(PlainFields);
        assert!(plain.contains(r#"word="a b/c" number=7 less=-1 part=1.5 yes=true"#), "{plain}");
        assert_eq!(plain, written(DefaultFields::new()));
    }
}
