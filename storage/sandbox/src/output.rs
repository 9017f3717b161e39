//! The bounded memory of a program's output: its last bytes.

use std::collections::VecDeque;

/// Keeps the last bytes of what it is given. A script may print without end; what explains its
/// failure stands last.
#[derive(Debug)]
pub(crate) struct Tail {
    bytes: VecDeque<u8>,
    limit: usize,
    dropped: u64,
}

impl Tail {
    pub(crate) fn new(limit: usize) -> Self {
        Self { bytes: VecDeque::new(), limit, dropped: 0 }
    }

    pub(crate) fn push(&mut self, bytes: &[u8]) {
        let kept = &bytes[bytes.len().saturating_sub(self.limit)..];
        let over = (self.bytes.len() + kept.len()).saturating_sub(self.limit);
        self.bytes.drain(..over);
        self.bytes.extend(kept);
        self.dropped += (over + bytes.len() - kept.len()) as u64;
    }

    /// How many bytes went before the ones that are kept.
    pub(crate) fn dropped(&self) -> u64 {
        self.dropped
    }

    /// What is kept, as text. A line whose beginning was dropped is left out, unless it is all.
    pub(crate) fn text(&self) -> String {
        let (a, b) = self.bytes.as_slices();
        let bytes = [a, b].concat();
        let start = match bytes.iter().position(|c| *c == b'\n') {
            Some(end) if self.dropped > 0 && end + 1 < bytes.len() => end + 1,
            _ => 0,
        };
        String::from_utf8_lossy(&bytes[start..]).into_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn drops_whole_lines_from_the_front() {
        let mut tail = Tail::new(10);
        tail.push(b"first\nsecond\nthird\n");
        assert_eq!(tail.text(), "third\n");
        assert_eq!(tail.dropped(), 9);
    }

    #[test]
    fn one_long_line_keeps_its_end() {
        let mut tail = Tail::new(4);
        tail.push(b"abcdefgh");
        assert_eq!(tail.text(), "efgh");
    }

    proptest! {
        #[test]
        fn keeps_the_last_bytes_however_they_arrive(
            chunks in proptest::collection::vec("[a-z]{0,9}", 0..20), limit in 1usize..30,
        ) {
            let mut tail = Tail::new(limit);
            chunks.iter().for_each(|chunk| tail.push(chunk.as_bytes()));
            let all = chunks.concat();
            let start = all.len().saturating_sub(limit);
            prop_assert_eq!(tail.text(), &all[start..]);
            prop_assert_eq!(tail.dropped(), start as u64);
        }
    }
}
