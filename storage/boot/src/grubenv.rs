//! GRUB's environment block: 1024 bytes that GRUB itself overwrites in place.
//!
//! Source: GRUB 2's lib/envblk: a signature line, `name=value` lines in which a backslash escapes
//! a backslash or a line end, and `#` up to the end. Unknown lines are kept.

use cambium_model::{Failure, FailureKind};

/// The size that GRUB writes in place and that must not change.
const SIZE: usize = 1024;
const SIGNATURE: &[u8] = b"# GRUB Environment Block\n";

/// An environment block, line by line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GrubEnv {
    /// Behind the signature, without line ends, still escaped.
    lines: Vec<Vec<u8>>,
}

/// Bytes that are no block, or variables that do not fit into one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GrubEnvError {
    /// The length is not 1024.
    #[error("a GRUB environment block has 1024 bytes, not {0}")]
    Size(usize),
    /// It does not begin as one.
    #[error("the signature of a GRUB environment block is missing")]
    Signature,
    /// A line is cut, or something other than padding follows the lines.
    #[error("a GRUB environment block does not end in padding")]
    Padding,
    /// A name that is empty or holds `=`, `#`, a backslash or a line end.
    #[error("'{0}' cannot name a variable of GRUB's environment")]
    Name(String),
    /// The variables need more than the block has.
    #[error("the variables need {0} bytes, a GRUB environment block has 1024")]
    Full(usize),
}

impl GrubEnvError {
    /// What kind of failure it is.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        match self {
            Self::Size(_) | Self::Signature | Self::Padding => FailureKind::Corrupt,
            Self::Name(_) => FailureKind::InvalidRequest,
            Self::Full(_) => FailureKind::NoSpace,
        }
    }
}

impl From<GrubEnvError> for Failure {
    fn from(error: GrubEnvError) -> Self {
        Self::from_error(error.kind(), &error)
    }
}

impl GrubEnv {
    /// Reads a block.
    ///
    /// # Errors
    /// When the bytes are not a whole one.
    pub fn parse(block: &[u8]) -> Result<Self, GrubEnvError> {
        if block.len() != SIZE {
            return Err(GrubEnvError::Size(block.len()));
        }
        let mut rest = block.strip_prefix(SIGNATURE).ok_or(GrubEnvError::Signature)?;
        let mut lines = Vec::new();
        while !rest.iter().all(|byte| *byte == b'#') {
            let end = line_end(rest).ok_or(GrubEnvError::Padding)?;
            let (line, after) = rest.split_at(end);
            lines.push(line.to_vec());
            rest = after.get(1..).unwrap_or_default();
        }
        Ok(Self { lines })
    }

    /// The block's 1024 bytes.
    ///
    /// # Errors
    /// When the variables do not fit.
    pub fn to_bytes(&self) -> Result<Vec<u8>, GrubEnvError> {
        let mut block = SIGNATURE.to_vec();
        for line in &self.lines {
            block.extend(line);
            block.push(b'\n');
        }
        if block.len() > SIZE {
            return Err(GrubEnvError::Full(block.len()));
        }
        block.resize(SIZE, b'#');
        Ok(block)
    }

    /// The value of `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<Vec<u8>> {
        self.lines.iter().find_map(|line| Some(unescape(value(line, name)?)))
    }

    /// Sets `name`, in its place or at the end.
    ///
    /// # Errors
    /// When the name is none or the block would be too full; nothing is changed then.
    pub fn set(&mut self, name: &str, value_bytes: &[u8]) -> Result<(), GrubEnvError> {
        if name.is_empty() || name.contains(['=', '#', '\\', '\n']) {
            return Err(GrubEnvError::Name(name.to_owned()));
        }
        let mut line = format!("{name}=").into_bytes();
        for byte in value_bytes {
            if matches!(byte, b'\\' | b'\n') {
                line.push(b'\\');
            }
            line.push(*byte);
        }
        let mut changed = self.clone();
        match changed.lines.iter_mut().find(|line| value(line, name).is_some()) {
            Some(place) => *place = line,
            None => changed.lines.push(line),
        }
        changed.to_bytes()?;
        *self = changed;
        Ok(())
    }

    /// Removes `name`, where it is there.
    pub fn unset(&mut self, name: &str) {
        self.lines.retain(|line| value(line, name).is_none());
    }
}

/// The first line end that no backslash escapes.
fn line_end(bytes: &[u8]) -> Option<usize> {
    let mut escaped = false;
    bytes.iter().position(|byte| {
        let ends = *byte == b'\n' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        ends
    })
}

fn value<'a>(line: &'a [u8], name: &str) -> Option<&'a [u8]> {
    line.strip_prefix(name.as_bytes())?.strip_prefix(b"=")
}

fn unescape(bytes: &[u8]) -> Vec<u8> {
    let mut escaped = false;
    let kept = bytes.iter().filter(|byte| {
        escaped = **byte == b'\\' && !escaped;
        !escaped
    });
    kept.copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn block(lines: &str) -> Vec<u8> {
        let mut block = [SIGNATURE, lines.as_bytes()].concat();
        block.resize(SIZE, b'#');
        block
    }

    #[test]
    fn variables_are_read_set_and_removed_in_place() {
        let text = "# WARNING: tool\nboot_success=0\nboot_counter=3\n";
        let mut env = GrubEnv::parse(&block(text)).unwrap();
        assert_eq!(env.get("boot_counter"), Some(b"3".to_vec()));
        env.set("boot_success", b"1").unwrap();
        env.unset("boot_counter");
        env.set("next", b"a\\b\nc").unwrap();
        let expected = "# WARNING: tool\nboot_success=1\nnext=a\\\\b\\\nc\n";
        assert_eq!(env.to_bytes().unwrap(), block(expected));
        assert_eq!(env.get("next"), Some(b"a\\b\nc".to_vec()));
    }

    #[test]
    fn what_is_no_block_is_refused() {
        assert_eq!(GrubEnv::parse(b""), Err(GrubEnvError::Size(0)));
        assert_eq!(GrubEnv::parse(&[b'#'; SIZE]), Err(GrubEnvError::Signature));
        assert_eq!(GrubEnv::parse(&block("a=1")), Err(GrubEnvError::Padding));
        for bad in ["", "a=b", "#a", "a\n"] {
            let mut env = GrubEnv::default();
            assert_eq!(env.set(bad, b""), Err(GrubEnvError::Name(bad.into())));
        }
    }

    #[test]
    fn a_block_that_is_full_keeps_what_it_has() {
        let mut env = GrubEnv::default();
        let most = SIZE - SIGNATURE.len() - "a=\n".len();
        env.set("a", &vec![b'x'; most]).unwrap();
        let before = env.clone();
        assert_eq!(env.set("a", &vec![b'x'; most + 1]), Err(GrubEnvError::Full(SIZE + 1)));
        assert_eq!(env, before);
    }

    proptest! {
        #[test]
        fn printing_gives_back_what_was_parsed(lines in "([a-b#=\\\\\n]{0,9}\n){0,9}") {
            if let Ok(env) = GrubEnv::parse(&block(&lines)) {
                prop_assert_eq!(env.to_bytes().unwrap(), block(&lines));
            }
        }

        #[test]
        fn what_is_set_is_read_back(name in "[a-z_]{1,9}", value: [u8; 32]) {
            let mut env = GrubEnv::default();
            env.set(&name, &value).unwrap();
            let env = GrubEnv::parse(&env.to_bytes().unwrap()).unwrap();
            prop_assert_eq!(env.get(&name), Some(value.to_vec()));
        }
    }
}
