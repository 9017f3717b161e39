//! The vocabulary to messages and back, one file for each .proto file.
//!
//! Each direction takes its input apart field by field, so a field that is added on one side and
//! forgotten on the other does not compile.

mod failure;
mod host;
mod package;
mod plan;
mod request;
mod transaction;

/// Ties an enum of the vocabulary to one of the wire: the same names on both sides. The reader
/// refuses `UNSPECIFIED` and numbers that it does not know.
macro_rules! wire_enum {
    ($model:ident { $($variant:ident),+ $(,)? }) => {
        impl From<cambium_model::$model> for crate::v1::$model {
            fn from(model: cambium_model::$model) -> Self {
                match model {
                    $(cambium_model::$model::$variant => Self::$variant,)+
                }
            }
        }

        impl crate::convert::WireEnum for cambium_model::$model {
            fn from_wire(value: i32, field: &'static str) -> Result<Self, crate::DecodeError> {
                match crate::v1::$model::try_from(value) {
                    $(Ok(crate::v1::$model::$variant) => Ok(Self::$variant),)+
                    Ok(crate::v1::$model::Unspecified) | Err(_) => {
                        Err(crate::DecodeError::UnknownValue { field, value })
                    }
                }
            }
        }
    };
}
use wire_enum;

/// An enum that a message holds as a number.
trait WireEnum: Sized {
    /// Reads the number of `field`.
    fn from_wire(value: i32, field: &'static str) -> Result<Self, crate::DecodeError>;
}

#[cfg(test)]
mod tests;
