//! cambium.v1 over gRPC on a Unix socket, with health and reflection.
//!
//! Owns: the server and its limits. One file below for each service; `access` says who may do
//! what; `failure` is how an error travels (cambium-proto's table).

mod access;
mod host;
mod packages;
mod transactions;

use cambium_messages::{Desk, Ports};
use cambium_model::{Failure, FailureKind, Request};
use cambium_proto::v1::host_server::HostServer;
use cambium_proto::v1::packages_server::PackagesServer;
use cambium_proto::v1::transactions_server::TransactionsServer;
use std::future::Future;
use tokio::net::UnixListener;
use tokio_stream::wrappers::UnixListenerStream;
use tonic::transport::Server;

/// Requests that one connection may have under way. A desktop client has two or three.
const STREAMS: u32 = 64;

/// Bytes of one request: the longest package list seen is some 20 KiB.
const REQUEST_BYTES: usize = 1024 * 1024;

/// Bytes of headers; http2's own default of 16 MiB is an invitation.
const HEADER_BYTES: u32 = 16 * 1024;

/// What the services need.
#[derive(Debug, Clone)]
pub struct Backend {
    /// To the workers.
    pub ports: Ports,
    /// To the coordinator.
    pub desk: Desk,
}

/// The server could not be set up or broke down.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The listening socket failed.
    #[error("the gRPC server stopped")]
    Transport(#[from] tonic::transport::Error),
    /// The descriptors that were built in do not decode.
    #[error("the reflection service cannot be built")]
    Reflection(#[from] tonic_reflection::server::Error),
}

/// Serves `listener` until `stop` is ready, then lets what is under way end.
///
/// # Errors
/// When the socket fails.
pub async fn serve(
    listener: UnixListener,
    backend: Backend,
    stop: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    let (health, health_service) = tonic_health::server::health_reporter();
    health.set_serving::<HostServer<host::HostService>>().await;
    health.set_serving::<TransactionsServer<transactions::TransactionsService>>().await;
    health.set_serving::<PackagesServer<packages::PackagesService>>().await;
    let reflection = tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(cambium_proto::FILE_DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        .build_v1()?;
    let host = HostServer::new(host::HostService(backend.clone()))
        .max_decoding_message_size(REQUEST_BYTES);
    let transactions = TransactionsServer::new(transactions::TransactionsService(backend.clone()))
        .max_decoding_message_size(REQUEST_BYTES);
    let packages = PackagesServer::new(packages::PackagesService(backend))
        .max_decoding_message_size(REQUEST_BYTES);
    Server::builder()
        .max_concurrent_streams(STREAMS)
        .http2_max_header_list_size(HEADER_BYTES)
        .add_service(health_service)
        .add_service(reflection)
        .add_service(host)
        .add_service(transactions)
        .add_service(packages)
        .serve_with_incoming_shutdown(UnixListenerStream::new(listener), stop)
        .await?;
    Ok(())
}

/// A worker's reply as a status where it is a failure.
fn reply<T>(
    result: Result<cambium_messages::Reply<T>, actix::MailboxError>,
) -> Result<T, tonic::Status> {
    result
        .unwrap_or_else(|error| Err(cambium_messages::lost(&error)))
        .map_err(|failure| cambium_proto::status_from_failure(&failure))
}

/// The request that a message carries.
fn wanted(request: Option<cambium_proto::v1::Request>) -> Result<Request, tonic::Status> {
    let failure = match request.map(Request::try_from) {
        Some(Ok(request)) => return Ok(request),
        Some(Err(error)) => Failure::from(error),
        None => Failure::new(FailureKind::InvalidRequest, "the message holds no request"),
    };
    Err(cambium_proto::status_from_failure(&failure))
}
