//! Entra, Key Vault, Microsoft Graph and the read side of Azure Resource Manager on localhost.
//!
//! Written from Microsoft's documentation and from recorded traffic, never from kvops's own
//! clients: it shares no wire type with them, so that it can disagree. It verifies what the real
//! services verify and fails as they fail. What it does not know it answers with 501.

mod arm;
mod clock;
mod directory;
mod entra;
mod exchange;
mod graph;
mod keys;
mod keyvault;
mod world;

pub use clock::LabClock;
