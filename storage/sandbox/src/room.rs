//! What the programs of one thread share, so that each of them starts faster: a network without
//! interfaces and control groups.
//!
//! The kernel keeps both by thread, as it keeps the mounts that `in_private_mounts` is for. So
//! does this file: a room is its thread's until it is dropped. Who has none gets a network for
//! each program, and bounds by watching (`bounds.rs`).

use crate::cgroup::Group;
use std::cell::RefCell;
use std::marker::PhantomData;
use std::rc::Rc;

thread_local! {
    static CURRENT: RefCell<Option<Rc<Shared>>> = const { RefCell::new(None) };
}

/// Whose network namespace a program gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Network {
    /// The thread's, which is private and empty already.
    OfTheRoom,
    /// A new one.
    OfTheProgram,
}

/// What is shared.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) network: Network,
    pub(crate) group: Option<Group>,
}

/// This thread's room, until this is dropped; a panic drops it too.
pub(crate) struct Room(PhantomData<*const ()>);

impl Room {
    /// Gives this thread a room.
    pub(crate) fn enter(network: Network) -> Self {
        let shared = Shared { network, group: Group::make() };
        tracing::debug!(?shared, "sandboxes share");
        CURRENT.set(Some(Rc::new(shared)));
        Self(PhantomData)
    }

    /// This thread's, if it has one.
    pub(crate) fn current() -> Option<Rc<Shared>> {
        CURRENT.with_borrow(Clone::clone)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        CURRENT.set(None);
    }
}
