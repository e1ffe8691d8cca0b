//! When credentials were last used, as far as the tenant's report tells.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use crate::domain::{Chain, CredentialId};
use crate::graph;

/// What the report says. It exists in the public cloud, for tenants with a licence.
#[derive(Clone, Debug)]
pub enum Uses {
    /// It was read to its end. What is not in it has no known use.
    Read(BTreeMap<CredentialId, Option<OffsetDateTime>>),
    /// It could not be read, or not all of it.
    Unknown(String),
}

impl Uses {
    /// Reads the report. Who may not read it learns why, and nothing fails.
    pub async fn read(graph: &graph::Client) -> Self {
        match graph.credential_activity().all().await {
            Ok(page) if page.unreadable.is_empty() => Self::Read(
                page.items
                    .into_iter()
                    .map(|used| (used.key_id, used.sign_in_activity.last_sign_in_date_time))
                    .collect(),
            ),
            Ok(page) => Self::Unknown(format!("{} lines of the report could not be read", page.unreadable.len())),
            Err(error) => Self::Unknown(Chain(&error).to_string()),
        }
    }

    /// The last use of a credential; none where there is no known one; the reason where that is unknown.
    pub fn last(&self, key_id: CredentialId) -> Result<Option<OffsetDateTime>, &str> {
        match self {
            Self::Read(uses) => Ok(uses.get(&key_id).copied().flatten()),
            Self::Unknown(reason) => Err(reason),
        }
    }
}
