//! The five workers and the coordinator of transactions.
//!
//! A worker unpacks a message, calls an engine, packs the reply, and decides nothing. The
//! coordinator decides the order of phases and touches no file. No actor here imports another:
//! each is given the recipients that it needs.

pub mod bootloader;
pub mod coordinator;
pub mod depsolve;
pub mod repo;
pub mod sandbox;
pub mod supervisor;
pub mod txlog;
