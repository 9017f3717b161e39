//! The packages of commits whose metadata does not list them, remembered: to find them out takes
//! reading every header of an rpmdb, and what a commit holds never changes.

use cambium_model::{Checksum, Nevra};
use std::sync::{Arc, Mutex, PoisonError};

/// Commits that are remembered: a host's deployments and what they stand on, and some to spare.
const KEPT: usize = 8;

/// The newest last.
static KNOWN: Mutex<Vec<(Checksum, Arc<[Nevra]>)>> = Mutex::new(Vec::new());

/// The packages of `commit`, found out by `find` unless that was done before.
pub(crate) fn remembered<E>(
    commit: &Checksum,
    find: impl FnOnce() -> Result<Vec<Nevra>, E>,
) -> Result<Vec<Nevra>, E> {
    let lock = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let known = lock().iter().find(|(other, _)| other == commit).map(|(_, list)| list.clone());
    if let Some(list) = known {
        return Ok(list.to_vec());
    }
    // Not under the lock: others need not wait for a database that is not theirs.
    let found = find()?;
    let mut known = lock();
    known.retain(|(other, _)| other != commit);
    if known.len() == KEPT {
        known.remove(0);
    }
    known.push((commit.clone(), found.as_slice().into()));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_found_out_once_while_it_is_among_the_newest() {
        let commit = |digit: char| -> Checksum { digit.to_string().repeat(64).parse().unwrap() };
        let nevra: Nevra = "a-1-1.noarch".parse().unwrap();
        let mut asked = 0;
        let mut ask = |digit: char| {
            let found = remembered(&commit(digit), || {
                asked += 1;
                Ok::<_, ()>(vec![nevra.clone()])
            });
            assert_eq!(found.unwrap().as_slice(), std::slice::from_ref(&nevra));
            asked
        };
        assert_eq!((ask('0'), ask('0')), (1, 1));
        assert_eq!("12345678".chars().map(&mut ask).last(), Some(9));
        assert_eq!((ask('8'), ask('0')), (9, 10));
        assert_eq!(remembered(&commit('f'), || Err("gone")), Err("gone"));
    }
}
