//! Reads server-sent events from a stream of bytes: <https://html.spec.whatwg.org/multipage/server-sent-events.html>.

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct SseEvent {
    /// Its `event` field; empty where there is none.
    pub(super) name: String,
    /// Its `data` lines, joined by line feeds.
    pub(super) data: String,
}

/// A line longer than this is no event of ours.
const MAX_BUFFER_BYTES: usize = 1 << 20;

/// The part of a stream that is not a whole event yet.
#[derive(Debug, Default)]
pub(super) struct Parser {
    buffer: Vec<u8>,
    event: SseEvent,
    has_data: bool,
}

impl Parser {
    /// Takes the next bytes of the stream, wherever they are cut, and gives the events that they complete.
    ///
    /// # Errors
    /// A line that has no end.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<Vec<SseEvent>, String> {
        self.buffer.extend_from_slice(bytes);
        let mut events = Vec::new();
        while let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.buffer.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line);
            events.extend(self.line(line.trim_end_matches(['\n', '\r'])));
        }
        if self.buffer.len() > MAX_BUFFER_BYTES {
            return Err(format!(
                "a line of the event stream is longer than {MAX_BUFFER_BYTES} bytes"
            ));
        }
        Ok(events)
    }

    fn line(&mut self, line: &str) -> Option<SseEvent> {
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            return std::mem::take(&mut self.has_data).then_some(event);
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.event.data.push('\n');
                }
                self.event.data.push_str(value);
            }
            "event" => value.clone_into(&mut self.event.name),
            // Comments keep the line alive; the id is in the data too.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_found_however_the_stream_is_cut() {
        let stream =
            ": hello\n\nid: 1\nevent: job\ndata: {\"a\":\ndata: \"福\"}\n\r\nid: 2\ndata:x\r\n\r\n:keep-alive\n\n"
                .as_bytes();
        let expected = [("job", "{\"a\":\n\"福\"}"), ("", "x")];
        for size in [1, 2, 3, 7, stream.len()] {
            let mut parser = Parser::default();
            let events: Vec<SseEvent> = stream
                .chunks(size)
                .flat_map(|chunk| parser.push(chunk).unwrap())
                .collect();
            let events: Vec<(&str, &str)> = events.iter().map(|e| (e.name.as_str(), e.data.as_str())).collect();
            assert_eq!(events, expected, "in pieces of {size}");
        }
    }

    #[test]
    fn a_line_without_end_is_refused() {
        let mut parser = Parser::default();
        let piece = vec![b'x'; MAX_BUFFER_BYTES / 2 + 1];
        assert!(parser.push(&piece).is_ok());
        assert!(parser.push(&piece).is_err());
    }
}
