//! The file: one writer at a time, one line at a time, on disk before the world changes.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::entry::{Entry, Phase, Step};
use super::error::Error;
use super::line::Hash;

/// A ledger that can be added to. Several processes may have one open: each line is written under a lock.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    file: File,
}

/// What comes before a new line.
#[derive(Debug)]
struct Tail {
    seq: u64,
    hash: Hash,
    /// Bytes after the last line feed: a writer died in the middle of a line.
    torn: Vec<u8>,
}

impl Ledger {
    /// Opens the ledger, and makes it and its folder where they are missing. Fails where it could not be
    /// written, so that nothing is begun which could not be recorded.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let failed = |source| Error::File { path: path.to_owned(), doing: "opened", source };
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            make_folder(folder).map_err(failed)?;
        }
        let mut options = OpenOptions::new();
        options.read(true).append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path).map_err(failed)?;
        file.sync_all().map_err(failed)?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a line. `fill` is handed its number and the hash of the line before; the line is on disk
    /// when this returns. Gives the hash of the new line.
    pub fn append(&mut self, fill: impl Fn(u64, Hash) -> Entry) -> Result<Hash, Error> {
        self.file.lock().map_err(|source| self.failed("locked", source))?;
        let written = self.append_locked(&fill);
        let unlocked = self.file.unlock().map_err(|source| self.failed("unlocked", source));
        let hash = written?;
        unlocked?;
        Ok(hash)
    }

    fn append_locked(&mut self, fill: &dyn Fn(u64, Hash) -> Entry) -> Result<Hash, Error> {
        let mut tail = self.tail()?;
        let mut text = Vec::new();
        if !tail.torn.is_empty() {
            // What is there stays there; the next line says that it is no line.
            let mut entry = fill(tail.seq + 1, tail.hash);
            (entry.step, entry.phase) = (Step::Torn, Phase::Done);
            entry.requests.clear();
            entry.facts = [("torn".to_owned(), Hash::of(&tail.torn).to_string())].into();
            let line = serde_json::to_vec(&entry)?;
            text.push(b'\n');
            text.extend_from_slice(&line);
            text.push(b'\n');
            tail = Tail { seq: tail.seq + 1, hash: Hash::of(&line), torn: Vec::new() };
        }
        let line = serde_json::to_vec(&fill(tail.seq + 1, tail.hash))?;
        text.extend_from_slice(&line);
        text.push(b'\n');
        self.file.write_all(&text).map_err(|source| self.failed("written", source))?;
        self.file.sync_data().map_err(|source| self.failed("written", source))?;
        Ok(Hash::of(&line))
    }

    fn tail(&mut self) -> Result<Tail, Error> {
        let (line, torn) = last_line(&mut self.file).map_err(|source| self.failed("read", source))?;
        let Some(line) = line else { return Ok(Tail { seq: 0, hash: Hash::NONE, torn }) };
        let entry: Entry = serde_json::from_slice(&line)
            .map_err(|error| Error::Damaged { path: self.path.clone(), problem: error.to_string() })?;
        Ok(Tail { seq: entry.seq, hash: Hash::of(&line), torn })
    }

    fn failed(&self, doing: &'static str, source: io::Error) -> Error {
        Error::File { path: self.path.clone(), doing, source }
    }
}

fn make_folder(folder: &Path) -> io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// The last whole line, and what follows it.
fn last_line(file: &mut File) -> io::Result<(Option<Vec<u8>>, Vec<u8>)> {
    const BLOCK: u64 = 64 * 1024;
    let end = file.seek(SeekFrom::End(0))?;
    let mut start = end;
    let mut tail: Vec<u8> = Vec::new();
    loop {
        // The line feed before the last line, if there is one: what lies between the two is the line.
        let feeds: Vec<usize> = (0..tail.len()).rev().filter(|&at| tail[at] == b'\n').take(2).collect();
        let is_enough = feeds.len() == 2 || start == 0;
        if is_enough {
            let Some(&last) = feeds.first() else { return Ok((None, tail)) };
            let first = feeds.get(1).map_or(0, |before| before + 1);
            return Ok((Some(tail[first..last].to_vec()), tail[last + 1..].to_vec()));
        }
        let size = BLOCK.min(start);
        start -= size;
        file.seek(SeekFrom::Start(start))?;
        let mut block = vec![0; usize::try_from(size).unwrap_or_default()];
        file.read_exact(&mut block)?;
        block.extend_from_slice(&tail);
        tail = block;
    }
}
