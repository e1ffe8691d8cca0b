//! Flags, environment and files, merged key by key. Each value remembers where it came from.
//!
//! Order: flags over `KVOPS_*` over `--config` or the nearest `kvops.toml` over the user's file
//! over what is shipped.

pub mod env;
mod error;
mod file;
mod proxy;
mod settings;

pub use env::{VARIABLES, Variable, process_environment};
pub use error::Error;
pub use file::{AppEntry, CloudTable, ConfigFile, JwksEntry};
pub use proxy::ProfileEntry;
pub use settings::{Flags, Origin, Setting, Settings};
