//! How the ledger can fail.

use std::io;
use std::path::PathBuf;

/// How writing or reading the ledger can fail.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file cannot be opened or written. Nothing is done to the world without its entry.
    #[error("the ledger {path} cannot be {doing}")]
    File {
        /// The file.
        path: PathBuf,
        /// `opened`, `locked`, `read`, `written`.
        doing: &'static str,
        /// Why.
        source: io::Error,
    },
    /// The last line is whole and cannot be understood: somebody edited it, and nothing may be added to it.
    #[error("the last line of the ledger {path} is damaged: {problem}")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        problem: String,
    },
    /// An entry cannot be written as JSON.
    #[error("an entry for the ledger cannot be written as JSON")]
    Entry(#[from] serde_json::Error),
}
