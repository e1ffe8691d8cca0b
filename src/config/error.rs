//! What can be wrong with the configuration.

use std::io;
use std::path::PathBuf;

use crate::domain::InvalidCloud;

/// A setting or a file that cannot be used, with its place.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file that was named, and cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file that is not what it should be; the text of the source shows line and caret.
    #[error("{} is not a valid configuration\n{source}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// The parser's words.
        source: toml::de::Error,
    },
    /// A value that does not parse.
    #[error("{origin}: {problem}")]
    Value {
        /// Flag, variable or file.
        origin: String,
        /// What is wrong.
        problem: String,
    },
    /// A cloud that no table defines.
    #[error("{origin}: there is no cloud `{name}`; known are {known}")]
    UnknownCloud {
        /// Flag, variable or file.
        origin: String,
        /// What was asked for.
        name: String,
        /// What there is.
        known: String,
    },
    /// A table that would move one of Azure's own clouds.
    #[error("{}: a table must not be named `{name}`, which is one of Azure's own clouds", path.display())]
    ShadowedCloud {
        /// The file.
        path: PathBuf,
        /// The name.
        name: String,
    },
    /// A file that nobody named defines a cloud and chooses it, too.
    #[error(
        "{}: a file that was only found must not both define and choose a cloud; give --cloud {name}, set KVOPS_CLOUD={name}, or name the file with --config or KVOPS_CONFIG", path.display()
    )]
    FoundCloud {
        /// The file.
        path: PathBuf,
        /// The cloud.
        name: String,
    },
    /// A table that would vouch for, or move, hosts of Azure's own clouds.
    #[error("{}: cloud {name}: `{key}` must not be given for {host}, which is one of Azure's own hosts", path.display())]
    AzuresOwnHost {
        /// The file.
        path: PathBuf,
        /// The table.
        name: String,
        /// `ca` or `resolve`.
        key: &'static str,
        /// The host.
        host: String,
    },
    /// A cloud table that cannot be used.
    #[error("{}", path.display())]
    Cloud {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: InvalidCloud,
    },
}
