//! The frontends: they translate requests into messages and replies into what their clients read.
//!
//! Owns: gRPC (cambium.v1 on a Unix socket) and the metrics endpoint. They hold no state but
//! subscriptions and never reach an engine: everything goes through [`cambium_messages::Ports`]
//! and [`cambium_messages::Desk`].

pub mod grpc;
pub mod metrics;
