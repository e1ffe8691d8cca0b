//! Makes RSA keys ahead in the background, so that a request rarely waits for prime numbers.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::algorithm::KeyKind;
use super::private_key::PrivateKey;

/// Background threads at work at one time.
const WORKERS: usize = 2;

/// What a lab keeps ready: kvops asks for 3072 bits, other clients for the service's default.
const STOCK: [(KeyKind, usize); 2] = [(KeyKind::Rsa(3072), 2), (KeyKind::Rsa(2048), 1)];

/// Hands out fresh keys without making callers wait for prime numbers.
///
/// Threads run only while the stock is short of what was asked for; then they end.
#[derive(Debug, Default)]
pub(crate) struct KeyPool {
    shared: Arc<Shared>,
    folder: Option<PathBuf>,
}

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    made: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// How many of each kind to keep ready.
    wanted: BTreeMap<KeyKind, usize>,
    ready: BTreeMap<KeyKind, VecDeque<PrivateKey>>,
    making: BTreeMap<KeyKind, usize>,
    waiting: BTreeMap<KeyKind, usize>,
    /// Keys handed out, which number the files of a folder.
    taken: BTreeMap<KeyKind, usize>,
    workers: usize,
    is_closed: bool,
}

impl KeyPool {
    /// A pool that keeps a small stock, and starts to make it.
    pub(crate) fn stocked() -> Self {
        let pool = Self::default();
        for (kind, count) in STOCK {
            pool.prepare(kind, count);
        }
        pool
    }

    /// A pool for tests: the n-th key of a kind is the n-th file of the folder, made if it is not
    /// there. Keys are thus made once for many runs and processes.
    pub(crate) fn with_folder(folder: PathBuf) -> Self {
        Self { shared: Arc::default(), folder: Some(folder) }
    }

    /// Keeps `count` keys of a kind ready from now on.
    pub(crate) fn prepare(&self, kind: KeyKind, count: usize) {
        if self.folder.is_some() || matches!(kind, KeyKind::Ec(_)) {
            return;
        }
        self.shared.lock().wanted.insert(kind, count);
        self.hire();
    }

    /// A key that nobody else has. Waits for a thread that is making one, or makes it.
    pub(crate) fn take(&self, kind: KeyKind) -> PrivateKey {
        if let (Some(folder), KeyKind::Rsa(_)) = (&self.folder, kind) {
            let number = self.shared.count_taken(kind);
            return from_file(folder, kind, number).unwrap_or_else(|_| PrivateKey::generate(kind));
        }
        let key = self.shared.take_ready(kind).unwrap_or_else(|| PrivateKey::generate(kind));
        self.hire();
        key
    }

    /// Starts as many threads as there is work for.
    fn hire(&self) {
        let mut state = self.shared.lock();
        let short: usize = state.wanted.keys().map(|kind| state.missing(*kind)).sum();
        while state.workers < WORKERS.min(short) {
            state.workers += 1;
            let shared = Arc::clone(&self.shared);
            let started = thread::Builder::new().name("lab-keys".to_owned()).spawn(move || shared.work());
            if started.is_err() {
                // `take` makes keys itself when nobody else does.
                state.workers -= 1;
                return;
            }
        }
    }
}

impl Drop for KeyPool {
    fn drop(&mut self) {
        self.shared.lock().is_closed = true;
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count_taken(&self, kind: KeyKind) -> usize {
        let mut state = self.lock();
        let taken = state.taken.entry(kind).or_default();
        *taken += 1;
        *taken
    }

    /// A key from the stock, or one that is being made and that nobody else waits for.
    fn take_ready(&self, kind: KeyKind) -> Option<PrivateKey> {
        let mut state = self.lock();
        loop {
            if let Some(key) = state.ready.get_mut(&kind).and_then(VecDeque::pop_front) {
                return Some(key);
            }
            if State::count(&state.making, kind) <= State::count(&state.waiting, kind) {
                return None;
            }
            *state.waiting.entry(kind).or_default() += 1;
            state = self.made.wait(state).unwrap_or_else(PoisonError::into_inner);
            *state.waiting.entry(kind).or_default() -= 1;
        }
    }

    /// A worker's life: makes what is missing and ends.
    fn work(&self) {
        let mut state = self.lock();
        while let Some(kind) = state.next() {
            *state.making.entry(kind).or_default() += 1;
            drop(state);
            let key = PrivateKey::generate(kind);
            state = self.lock();
            *state.making.entry(kind).or_default() -= 1;
            state.ready.entry(kind).or_default().push_back(key);
            self.made.notify_all();
        }
        state.workers -= 1;
    }
}

impl State {
    fn count(of: &BTreeMap<KeyKind, usize>, kind: KeyKind) -> usize {
        of.get(&kind).copied().unwrap_or_default()
    }

    fn missing(&self, kind: KeyKind) -> usize {
        let ready = self.ready.get(&kind).map_or(0, VecDeque::len);
        Self::count(&self.wanted, kind).saturating_sub(ready + Self::count(&self.making, kind))
    }

    fn next(&self) -> Option<KeyKind> {
        if self.is_closed {
            return None;
        }
        self.wanted.keys().copied().find(|kind| self.missing(*kind) > 0)
    }
}

/// Reads a key from its file; makes and stores it if there is none. When two processes store at
/// once, the first wins and both use its key.
fn from_file(folder: &Path, kind: KeyKind, number: usize) -> io::Result<PrivateKey> {
    let path = folder.join(format!("{}-{number:03}.p8", kind.label()));
    if let Some(key) = read(&path, kind) {
        return Ok(key);
    }
    let key = PrivateKey::generate(kind);
    std::fs::create_dir_all(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    io::Write::write_all(&mut file, key.pkcs8().expose())?;
    match file.persist_noclobber(&path) {
        Ok(_) => Ok(key),
        Err(_) => Ok(read(&path, kind).unwrap_or(key)),
    }
}

fn read(path: &Path, kind: KeyKind) -> Option<PrivateKey> {
    let key = PrivateKey::from_pkcs8(&std::fs::read(path).ok()?)?;
    (key.kind() == kind).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: KeyKind = KeyKind::Rsa(2048);

    #[test]
    fn no_key_is_handed_out_twice() {
        let pool = KeyPool::default();
        pool.prepare(KIND, 2);
        let keys: Vec<_> = (0..4).map(|_| pool.take(KIND).public()).collect();
        for (index, key) in keys.iter().enumerate() {
            assert!(!keys[..index].contains(key));
        }
    }

    #[test]
    fn a_pool_without_orders_runs_no_thread() {
        let pool = KeyPool::default();
        pool.take(KIND);
        assert_eq!(pool.shared.lock().workers, 0);
    }

    #[test]
    fn a_folder_gives_the_same_keys_to_the_next_lab() {
        let folder = tempfile::tempdir().unwrap();
        let take = || {
            let pool = KeyPool::with_folder(folder.path().to_owned());
            (pool.take(KIND).public(), pool.take(KIND).public())
        };
        let (first, second) = take();
        assert_ne!(first, second);
        assert_eq!(take(), (first, second));
    }

    #[test]
    fn a_file_with_a_key_of_another_kind_is_not_used() {
        let folder = tempfile::tempdir().unwrap();
        let wrong = PrivateKey::generate(KeyKind::Ec(super::super::Curve::P256));
        std::fs::write(folder.path().join("rsa-2048-001.p8"), wrong.pkcs8().expose()).unwrap();
        assert_eq!(KeyPool::with_folder(folder.path().to_owned()).take(KIND).kind(), KIND);
    }
}
