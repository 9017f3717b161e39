//! The wire: cambium.v1 as generated from `cambium/v1/*.proto`, and its conversions from and to
//! cambium-model.
//!
//! Owns: what goes over the socket and how a [`cambium_model::Failure`] travels in a gRPC status.
//! `From<&model>` makes a message, `TryFrom<message>` reads one and says which field is wrong.
//! Deliberately absent: connections, servers, clients' behaviour.

mod convert;
mod decode;
mod status;
mod view;

pub use decode::DecodeError;
pub use status::{code, failure_from_status, status_from_failure};
pub use view::{HostView, TransactionView};

/// Generated messages, clients and servers of the package `cambium.v1`. The documentation is that
/// of the .proto files.
pub mod v1 {
    #![allow(missing_docs, unreachable_pub, clippy::all, clippy::pedantic)]
    tonic::include_proto!("cambium.v1");
}

/// The encoded `FileDescriptorSet` of cambium.v1, for the reflection service.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/cambium.v1.bin"));
