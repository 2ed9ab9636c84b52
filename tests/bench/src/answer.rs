//! Reads HTTP/1.1 answers off a connection that is kept alive, with little work per byte: the load
//! generator must not be what is measured.

use std::io;

use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;

use crate::now;

/// What was read from a connection and not yet used.
#[derive(Debug, Default)]
pub struct Inlet {
    pending: Vec<u8>,
    /// How much of `pending` is used up.
    used: usize,
    /// When the last bytes arrived, in the time of [`now`].
    arrived: u64,
}

/// How the end of a body is found.
#[derive(Clone, Copy)]
enum Framing {
    Length(usize),
    Chunked,
}

impl Inlet {
    /// Reads one answer to its end and hands each piece of its body, with the time it arrived, to
    /// `piece`, which says whether to go on. Returns the status.
    ///
    /// # Errors
    ///
    /// Fails if the connection does, and with `InvalidData` if this is no HTTP/1.1 answer whose
    /// end can be found.
    pub async fn answer(
        &mut self,
        connection: &mut TcpStream,
        mut piece: impl FnMut(&[u8], u64) -> bool,
    ) -> io::Result<u16> {
        let (status, framing) = loop {
            if let Some(head) = self.head()? {
                break head;
            }
            self.more(connection).await?;
        };
        match framing {
            Framing::Length(length) => {
                self.exactly(connection, length, &mut piece).await?;
            }
            Framing::Chunked => while self.chunk(connection, &mut piece).await? {},
        }
        Ok(status)
    }

    fn head(&mut self) -> io::Result<Option<(u16, Framing)>> {
        let mut slots = [httparse::EMPTY_HEADER; 64];
        let mut head = httparse::Response::new(&mut slots);
        let parsed = head.parse(&self.pending[self.used..]).map_err(|_| odd())?;
        let httparse::Status::Complete(length) = parsed else { return Ok(None) };
        let mut framing = None;
        for header in head.headers.iter() {
            if header.name.eq_ignore_ascii_case("content-length") {
                let length = str::from_utf8(header.value).ok().and_then(|it| it.parse().ok());
                framing = Some(Framing::Length(length.ok_or_else(odd)?));
            } else if header.name.eq_ignore_ascii_case("transfer-encoding") {
                framing = Some(Framing::Chunked);
            }
        }
        let status = head.code.unwrap_or_default();
        self.used += length;
        Ok(Some((status, framing.ok_or_else(odd)?)))
    }

    /// Reads one chunk; `false` after the last one, or when `piece` has seen enough.
    async fn chunk(
        &mut self,
        connection: &mut TcpStream,
        piece: &mut impl FnMut(&[u8], u64) -> bool,
    ) -> io::Result<bool> {
        let (line, length) = loop {
            match httparse::parse_chunk_size(&self.pending[self.used..]) {
                Ok(httparse::Status::Complete(sized)) => break sized,
                Ok(httparse::Status::Partial) => self.more(connection).await?,
                Err(_) => return Err(odd()),
            }
        };
        self.used += line;
        let length = usize::try_from(length).map_err(|_| odd())?;
        let wants_more = self.exactly(connection, length, piece).await?;
        if wants_more {
            self.exactly(connection, 2, &mut |_, _| true).await?;
        }
        Ok(wants_more && length > 0)
    }

    /// Hands that many bytes to `piece`; `false` if it wanted no more.
    async fn exactly(
        &mut self,
        connection: &mut TcpStream,
        mut length: usize,
        piece: &mut impl FnMut(&[u8], u64) -> bool,
    ) -> io::Result<bool> {
        while length > 0 {
            if self.used == self.pending.len() {
                self.more(connection).await?;
            }
            let end = self.pending.len().min(self.used + length);
            let wants_more = piece(&self.pending[self.used..end], self.arrived);
            length -= end - self.used;
            self.used = end;
            if !wants_more {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn more(&mut self, connection: &mut TcpStream) -> io::Result<()> {
        if self.used > 0 {
            self.pending.drain(..self.used);
            self.used = 0;
        }
        if connection.read_buf(&mut self.pending).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.arrived = now();
        Ok(())
    }
}

fn odd() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "no HTTP/1.1 answer whose end can be found")
}

/// Finds the time stamps `@NNNNNNNNNNNNNNNNNNN@` that the mock upstream puts into its events, in
/// whatever format they arrive and however they are split.
#[derive(Debug, Default)]
pub struct Stamps {
    /// The digits of a stamp that has begun.
    digits: Option<u64>,
    count: usize,
}

impl Stamps {
    /// Takes the next piece of a body and hands each stamp completed by it to `found`.
    pub fn scan(&mut self, mut piece: &[u8], mut found: impl FnMut(u64)) {
        while !piece.is_empty() {
            let Some(digits) = self.digits else {
                let Some(at) = memchr::memchr(b'@', piece) else { return };
                (self.digits, self.count) = (Some(0), 0);
                piece = &piece[at + 1..];
                continue;
            };
            match piece[0] {
                byte @ b'0'..=b'9' if self.count < 19 => {
                    self.digits = Some(digits * 10 + u64::from(byte - b'0'));
                    self.count += 1;
                }
                b'@' if self.count == 19 => {
                    found(digits);
                    self.digits = None;
                }
                _ => self.digits = None,
            }
            piece = &piece[1..];
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Stamps;

    #[test]
    fn stamps_are_found_however_the_body_is_split() {
        let body = b"data: {\"a@b\":\"@0000000000000000042@\"}\n\ndata: @0000000000000000007@";
        for at in 0..=body.len() {
            let (mut stamps, mut found) = (Stamps::default(), Vec::new());
            let (head, tail) = body.split_at(at);
            stamps.scan(head, |stamp| found.push(stamp));
            stamps.scan(tail, |stamp| found.push(stamp));
            assert_eq!(found, [42, 7], "split at {at}");
        }
    }
}
