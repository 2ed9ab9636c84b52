//! A provider for benchmarks: answers at once, from bytes built beforehand, on one thread.
//!
//! `mock-upstream --dialect openai|anthropic|gemini [--listen 127.0.0.1:0] [--events N]
//! [--event-delay MS] [--first-delay MS] [--answer-bytes N]` prints its address as one line and
//! serves HTTP/1.1 until it is killed. `--first-delay` is waited out before the header,
//! `--event-delay` before each event but the first.
//!
//! Each streamed event carries `@NNNNNNNNNNNNNNNNNNN@`: the nanoseconds of `CLOCK_MONOTONIC` at
//! which it was written, in 19 digits. All processes of one machine share that clock.

use std::io::{self, Write};
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use memchr::memmem;
use rustix::time::{ClockId, clock_gettime};
use tests_mock::{anthropic, gemini, openai};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep, sleep_until};

const STAMP: &str = "@0000000000000000000@";

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let flags = Flags::parse(std::env::args().skip(1)).map_err(io::Error::other)?;
    let listener = TcpListener::bind(&flags.listen).await?;
    writeln!(io::stdout(), "{}", listener.local_addr()?)?;
    let answers = Rc::new(Answers::build(&flags));
    LocalSet::new()
        .run_until(async move {
            loop {
                let (connection, _) = listener.accept().await?;
                let answers = Rc::clone(&answers);
                // A connection that fails is one a client closed.
                tokio::task::spawn_local(async move { serve(connection, &answers).await.ok() });
            }
        })
        .await
}

#[derive(Clone, Copy)]
enum Dialect {
    OpenAi,
    Anthropic,
    Gemini,
}

struct Flags {
    dialect: Dialect,
    listen: String,
    events: usize,
    event_delay: Duration,
    first_delay: Duration,
    answer_bytes: usize,
}

impl Flags {
    fn parse(mut words: impl Iterator<Item = String>) -> Result<Self, String> {
        let mut flags = Self {
            dialect: Dialect::OpenAi,
            listen: "127.0.0.1:0".to_owned(),
            events: 32,
            event_delay: Duration::ZERO,
            first_delay: Duration::ZERO,
            answer_bytes: 256,
        };
        while let Some(flag) = words.next() {
            let value = words.next().ok_or_else(|| format!("{flag} wants a value"))?;
            let number = || value.parse().map_err(|_| format!("{flag} wants a number"));
            match flag.as_str() {
                "--dialect" => flags.dialect = Dialect::named(&value)?,
                "--listen" => flags.listen = value,
                "--events" => flags.events = number()?,
                "--event-delay" => flags.event_delay = Duration::from_millis(number()? as u64),
                "--first-delay" => flags.first_delay = Duration::from_millis(number()? as u64),
                "--answer-bytes" => flags.answer_bytes = number()?,
                _ => return Err(format!("there is no flag {flag}")),
            }
        }
        Ok(flags)
    }
}

impl Dialect {
    fn named(name: &str) -> Result<Self, String> {
        match name {
            "openai" => Ok(Self::OpenAi),
            "anthropic" => Ok(Self::Anthropic),
            "gemini" => Ok(Self::Gemini),
            _ => Err(format!("there is no dialect {name}")),
        }
    }

    fn whole(self, text: &str) -> Bytes {
        match self {
            Self::OpenAi => openai::chat(text),
            Self::Anthropic => anthropic::message(text),
            Self::Gemini => gemini::content(text),
        }
        .body()
    }

    fn opening(self) -> Vec<Bytes> {
        match self {
            Self::OpenAi => vec![openai::opening()],
            Self::Anthropic => anthropic::opening(),
            Self::Gemini => Vec::new(),
        }
    }

    fn word(self, text: &str) -> Bytes {
        match self {
            Self::OpenAi => openai::word(text),
            Self::Anthropic => anthropic::word(text),
            Self::Gemini => gemini::word(text),
        }
    }

    fn closing(self) -> Vec<Bytes> {
        match self {
            Self::OpenAi => vec![openai::finish("stop"), openai::last_usage(), openai::done()],
            Self::Anthropic => anthropic::closing(),
            Self::Gemini => gemini::closing(),
        }
    }
}

/// Everything that is ever sent, ready to be written.
struct Answers {
    whole: Vec<u8>,
    stream_head: Vec<u8>,
    event: Vec<u8>,
    /// Where in the event the digits of its stamp begin.
    stamp_at: usize,
    stream_tail: Vec<u8>,
    events: usize,
    event_delay: Duration,
    first_delay: Duration,
}

impl Answers {
    fn build(flags: &Flags) -> Self {
        let dialect = flags.dialect;
        let body = dialect.whole(&"x".repeat(flags.answer_bytes));
        let head = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ";
        let mut whole = format!("{head}{}\r\n\r\n", body.len()).into_bytes();
        whole.extend_from_slice(&body);

        let head = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n";
        let mut stream_head = format!("{head}transfer-encoding: chunked\r\n\r\n").into_bytes();
        for frame in dialect.opening() {
            push_chunk(&mut stream_head, &frame);
        }
        let mut event = Vec::new();
        push_chunk(&mut event, &dialect.word(STAMP));
        let mut stream_tail = Vec::new();
        for frame in dialect.closing() {
            push_chunk(&mut stream_tail, &frame);
        }
        stream_tail.extend_from_slice(b"0\r\n\r\n");
        Self {
            whole,
            stream_head,
            stamp_at: memmem::find(&event, STAMP.as_bytes()).map_or(0, |at| at + 1),
            event,
            stream_tail,
            events: flags.events,
            event_delay: flags.event_delay,
            first_delay: flags.first_delay,
        }
    }
}

fn push_chunk(bytes: &mut Vec<u8>, chunk: &[u8]) {
    bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
    bytes.extend_from_slice(chunk);
    bytes.extend_from_slice(b"\r\n");
}

async fn serve(mut connection: TcpStream, answers: &Answers) -> io::Result<()> {
    connection.set_nodelay(true)?;
    let mut pending = Vec::with_capacity(8 * 1024);
    let mut event = Vec::new();
    loop {
        let Some((length, streamed)) = measure(&pending)? else {
            if connection.read_buf(&mut pending).await? == 0 {
                return Ok(());
            }
            continue;
        };
        pending.drain(..length);
        if !answers.first_delay.is_zero() {
            sleep(answers.first_delay).await;
        }
        if streamed {
            event.clone_from(&answers.event);
            stream(&mut connection, answers, &mut event).await?;
        } else {
            connection.write_all(&answers.whole).await?;
        }
    }
}

/// The length of the first request, once it is there whole, and whether it wants a stream.
fn measure(pending: &[u8]) -> io::Result<Option<(usize, bool)>> {
    let mut slots = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Request::new(&mut slots);
    let httparse::Status::Complete(start) = head.parse(pending).map_err(io::Error::other)? else {
        return Ok(None);
    };
    let length = head.headers.iter().find(|it| it.name.eq_ignore_ascii_case("content-length"));
    let length = length.and_then(|it| str::from_utf8(it.value).ok()?.parse::<usize>().ok());
    let end = start + length.ok_or_else(|| io::Error::other("the request tells no length"))?;
    let Some(body) = pending.get(start..end) else { return Ok(None) };
    let by_path = head.path.is_some_and(|path| path.contains(":streamGenerateContent"));
    Ok(Some((end, by_path || asks_for_stream(body))))
}

fn asks_for_stream(body: &[u8]) -> bool {
    const KEY: &[u8] = b"\"stream\":";
    memmem::find(body, KEY)
        .is_some_and(|at| body[at + KEY.len()..].trim_ascii_start().starts_with(b"true"))
}

async fn stream(connection: &mut TcpStream, answers: &Answers, event: &mut [u8]) -> io::Result<()> {
    connection.write_all(&answers.stream_head).await?;
    let mut next = Instant::now();
    for count in 0..answers.events {
        if count > 0 && !answers.event_delay.is_zero() {
            next += answers.event_delay;
            sleep_until(next).await;
        }
        stamp(&mut event[answers.stamp_at..][..STAMP.len() - 2]);
        connection.write_all(event).await?;
    }
    connection.write_all(&answers.stream_tail).await
}

/// Writes the time over the digits.
fn stamp(digits: &mut [u8]) {
    let now = clock_gettime(ClockId::Monotonic);
    let mut rest = now.tv_sec * 1_000_000_000 + now.tv_nsec;
    for digit in digits.iter_mut().rev() {
        *digit = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
}
