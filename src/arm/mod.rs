//! Azure Resource Manager and Resource Graph: which vaults there are, how they are kept, and who has
//! which role where. Reading only.

mod client;
mod error;
mod query;
mod role;
mod vault;

pub use client::Client;
pub use error::Error;
pub use query::Rows;
pub use role::{Assigned, Assignment, Defined, Definition, Permissions};
pub use vault::{Above, AccessPolicy, ManagementGroup, NetworkRules, Permitted, Properties, Sku, Subscription, Vault};
