//! Server-sent events, as far as servers of models send them: each `data:` line holds a piece of JSON.
//!
//! Kept small and forgiving: lines may end with LF, CR or both, comments and other fields are skipped, a piece of JSON
//! may go over several `data:` lines, and no blank line is needed after one that is whole. What begins with a brace is no
//! stream but one whole piece, whatever its header says.

use serde_json::Value;

/// The longest piece of JSON, in bytes.
const LONGEST: usize = 256 << 10;

/// What a line brought.
#[derive(Debug, PartialEq)]
pub(super) enum Sent {
    /// A piece.
    Json(Value),
    /// The server says that this was all.
    Done,
}

/// Why a stream cannot be read on.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable(pub &'static str);

const NO_JSON: Unreadable = Unreadable("a piece is not JSON");

/// Reads a stream as it comes in.
#[derive(Debug, Default)]
pub(super) struct Reader {
    line: Vec<u8>,
    /// The last byte was a CR: an LF after it ends no further line.
    after_cr: bool,
    /// JSON that goes on in the next `data:` line.
    data: String,
    /// It began with a brace: `line` is all of it.
    is_whole: bool,
    has_begun: bool,
}

impl Reader {
    /// Takes in some bytes, and gives what they complete.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<Sent>, Unreadable> {
        let mut all = Vec::new();
        for &byte in bytes {
            if !self.has_begun && !byte.is_ascii_whitespace() {
                self.has_begun = true;
                self.is_whole = byte == b'{';
            }
            if self.is_whole {
                if self.line.len() == LONGEST {
                    return Err(Unreadable("it is too long"));
                }
                self.line.push(byte);
                continue;
            }
            let is_second = byte == b'\n' && std::mem::take(&mut self.after_cr);
            self.after_cr = byte == b'\r';
            if is_second {
                continue;
            }
            if byte == b'\n' || byte == b'\r' {
                all.extend(self.end_line()?);
            } else if self.line.len() == LONGEST {
                return Err(Unreadable("a line is too long"));
            } else {
                self.line.push(byte);
            }
        }
        Ok(all)
    }

    /// Whether it is no stream.
    pub fn is_whole(&self) -> bool {
        self.is_whole
    }

    /// The stream has ended: what its last line brings, if it has no end of its own.
    pub fn finish(&mut self) -> Result<Option<Sent>, Unreadable> {
        if self.is_whole {
            let whole = std::mem::take(&mut self.line);
            return serde_json::from_slice(&whole).map(|value| Some(Sent::Json(value))).map_err(|_| NO_JSON);
        }
        let last = self.end_line()?;
        if !self.data.is_empty() {
            return Err(NO_JSON);
        }
        Ok(last)
    }

    fn end_line(&mut self) -> Result<Option<Sent>, Unreadable> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            return if self.data.is_empty() { Ok(None) } else { Err(NO_JSON) };
        }
        let line = std::str::from_utf8(&line).map_err(|_| Unreadable("a piece is not UTF-8"))?;
        // A byte order mark may stand before the first line.
        let Some(data) = line.trim_start_matches('\u{feff}').strip_prefix("data:") else { return Ok(None) };
        let data = data.strip_prefix(' ').unwrap_or(data);
        if self.data.is_empty() && data.trim() == "[DONE]" {
            return Ok(Some(Sent::Done));
        }
        if self.data.len() + data.len() > LONGEST {
            return Err(Unreadable("a piece is too long"));
        }
        self.data.push_str(data);
        if self.data.trim().is_empty() {
            self.data.clear();
            return Ok(None);
        }
        match serde_json::from_str(&self.data) {
            Ok(value) => {
                self.data.clear();
                Ok(Some(Sent::Json(value)))
            }
            Err(error) if error.is_eof() => {
                self.data.push('\n');
                Ok(None)
            }
            Err(_) => Err(NO_JSON),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str, each: usize) -> Result<Vec<Sent>, Unreadable> {
        let mut reader = Reader::default();
        let mut all = Vec::new();
        for bytes in text.as_bytes().chunks(each) {
            all.extend(reader.push(bytes)?);
        }
        all.extend(reader.finish()?);
        Ok(all)
    }

    #[test]
    fn pieces_come_however_they_are_sent() {
        let one = || Sent::Json(json!({ "a": "é" }));
        for (text, expected) in [
            ("data: {\"a\":\"é\"}\n\ndata: [DONE]\n\n", vec![one(), Sent::Done]),
            ("data:{\"a\":\"é\"}\r\n\r\ndata:[DONE]\r\n\r\n", vec![one(), Sent::Done]),
            ("data: {\"a\":\"é\"}\r\rdata: [DONE]\r\r", vec![one(), Sent::Done]),
            ("data: {\"a\":\"é\"}\ndata: {\"a\":\"é\"}\n", vec![one(), one()]),
            ("data: {\"a\":\ndata: \"é\"}\n\n", vec![one()]),
            (": a comment\n\nevent: x\nid: 7\nretry: 1\n\ndata: {\"a\":\"é\"}", vec![one()]),
            ("\u{feff}data: {\"a\":\"é\"}\n\n", vec![one()]),
            ("\n {\"a\":\r\n\n\"é\"}\n", vec![one()]),
            ("data:\n\ndata: \n\n", vec![]),
            ("", vec![]),
        ] {
            for each in [1, 2, 7, 1_000] {
                assert_eq!(read(text, each), Ok(expected.iter().map(again).collect()), "{text:?} by {each}");
            }
        }
    }

    fn again(sent: &Sent) -> Sent {
        match sent {
            Sent::Json(value) => Sent::Json(value.clone()),
            Sent::Done => Sent::Done,
        }
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        for (text, why) in [
            ("data: {\"a\": oops}\n\n", "a piece is not JSON"),
            ("data: {\"a\":\n\n", "a piece is not JSON"),
            ("data: {\"a\":", "a piece is not JSON"),
            ("{\"a\":", "a piece is not JSON"),
            ("{\"a\": 1} {\"a\": 1}", "a piece is not JSON"),
        ] {
            assert_eq!(read(text, 3), Err(Unreadable(why)), "{text:?}");
        }
        assert_eq!(Reader::default().push(b"data: \xff\n"), Err(Unreadable("a piece is not UTF-8")));
        let long = format!("data: \"{}", "x".repeat(LONGEST + 1));
        assert_eq!(read(&long, 4_096), Err(Unreadable("a line is too long")));
    }
}
