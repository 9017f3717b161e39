//! Reading messages: what may be wrong with one, and the steps that every reader takes.
//!
//! A message comes from outside and may be of another version: a missing part, text that does not
//! parse and an enum value that is not known are errors with the field's name, never a default.

use cambium_model::{Failure, FailureKind};
use std::fmt::Display;
use std::str::FromStr;

/// A message that does not say what it must.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A part that must be there is not.
    #[error("{field} is missing")]
    Missing {
        /// `Message.field`.
        field: &'static str,
    },
    /// An enum value that is unspecified or newer than this program.
    #[error("{field} has the unknown value {value}")]
    UnknownValue {
        /// `Message.field`.
        field: &'static str,
        /// The number on the wire.
        value: i32,
    },
    /// Text that does not parse.
    #[error("{field}: {reason}")]
    Invalid {
        /// `Message.field`.
        field: &'static str,
        /// The parser's own words; they repeat the text.
        reason: String,
    },
}

/// As the reader of a request sees it: the request is invalid.
impl From<DecodeError> for Failure {
    fn from(error: DecodeError) -> Self {
        Self::from_error(FailureKind::InvalidRequest, &error)
            .advise("Client and daemon should be of the same version.")
    }
}

/// Parses the text of a field.
pub(crate) fn parse<T>(text: &str, field: &'static str) -> Result<T, DecodeError>
where
    T: FromStr<Err: Display>,
{
    text.parse().map_err(|error: T::Err| DecodeError::Invalid { field, reason: error.to_string() })
}

/// Parses the text of a field that may be absent.
pub(crate) fn parse_optional<T>(
    text: Option<String>,
    field: &'static str,
) -> Result<Option<T>, DecodeError>
where
    T: FromStr<Err: Display>,
{
    text.map(|text| parse(&text, field)).transpose()
}

/// Reads a part that must be there.
pub(crate) fn required<W, M>(part: Option<W>, field: &'static str) -> Result<M, DecodeError>
where
    M: TryFrom<W, Error: Into<DecodeError>>,
{
    part.ok_or(DecodeError::Missing { field })?.try_into().map_err(Into::into)
}

/// Reads a part that may be absent.
pub(crate) fn optional<W, M>(part: Option<W>) -> Result<Option<M>, DecodeError>
where
    M: TryFrom<W, Error: Into<DecodeError>>,
{
    part.map(M::try_from).transpose().map_err(Into::into)
}

/// Reads every element.
pub(crate) fn list<W, M>(parts: Vec<W>) -> Result<Vec<M>, DecodeError>
where
    M: TryFrom<W, Error: Into<DecodeError>>,
{
    parts.into_iter().map(|part| part.try_into().map_err(Into::into)).collect()
}

/// Makes a message of every element.
pub(crate) fn messages<'a, M, W>(models: &'a [M]) -> Vec<W>
where
    W: From<&'a M>,
{
    models.iter().map(W::from).collect()
}
