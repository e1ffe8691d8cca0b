//! How many files this process may have open, connections among them.

/// Raises the number to `wanted`, or as far as this user may. Gives the number that holds from now on; none where
/// there is no such number.
#[cfg(unix)]
pub(crate) fn raise(wanted: u64) -> Option<u64> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let known = getrlimit(Resource::Nofile);
    let current = known.current?;
    let reachable = known.maximum.map_or(wanted, |maximum| maximum.min(wanted));
    if reachable <= current {
        return Some(current);
    }
    let raised = Rlimit { current: Some(reachable), maximum: known.maximum };
    Some(setrlimit(Resource::Nofile, raised).map_or(current, |()| reachable))
}

/// Other systems have no such number.
#[cfg(not(unix))]
pub(crate) fn raise(_wanted: u64) -> Option<u64> {
    None
}
