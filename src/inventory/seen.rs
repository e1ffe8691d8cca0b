//! Evidence that may be missing.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What was read, or why it was not. Nothing unread is ever taken for empty.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Seen<T> {
    /// It was not read.
    Unread {
        /// Why not.
        unread: Reason,
    },
    /// It was read, and this is all of it.
    Read(T),
}

/// Why something was not read. The coverage holds who answered what.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Nobody asked for it in this run.
    #[default]
    NotAsked,
    /// No role grants it: Graph permission or Azure RBAC.
    Rbac,
    /// The vault's access policies do not grant it.
    AccessPolicy,
    /// The vault's firewall, or its private link, let nobody in from here.
    Firewall,
    /// The service kept turning it away for being asked too much.
    Throttled,
    /// The tenant has no licence for it.
    NotLicensed,
    /// This cloud does not have it.
    NotInCloud,
    /// It came, and could not be understood.
    Parse,
    /// The service failed, or could not be reached.
    Failed,
}

impl<T> Seen<T> {
    /// Something that was not read.
    pub const fn unread(reason: Reason) -> Self {
        Self::Unread { unread: reason }
    }

    /// What was read.
    pub fn read(&self) -> Option<&T> {
        match self {
            Self::Read(value) => Some(value),
            Self::Unread { .. } => None,
        }
    }

    /// Why it was not read.
    pub const fn reason(&self) -> Option<Reason> {
        match self {
            Self::Read(_) => None,
            Self::Unread { unread } => Some(*unread),
        }
    }

    /// What was read, or the reason.
    pub fn get(&self) -> Result<&T, Reason> {
        match self {
            Self::Read(value) => Ok(value),
            Self::Unread { unread } => Err(*unread),
        }
    }
}

/// In files: what was read, as it is, or an object with the reason.
#[derive(Deserialize, Serialize)]
#[serde(untagged)]
enum Readable<T> {
    Unread { unread: Reason },
    Read(T),
}

impl<T: Serialize> Serialize for Seen<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Unread { unread } if serializer.is_human_readable() => {
                Readable::<T>::Unread { unread: *unread }.serialize(serializer)
            }
            Self::Read(value) if serializer.is_human_readable() => value.serialize(serializer),
            seen => seen.get().serialize(serializer),
        }
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Seen<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if !deserializer.is_human_readable() {
            let packed = Result::<T, Reason>::deserialize(deserializer)?;
            return Ok(packed.map_or_else(Self::unread, Self::Read));
        }
        Ok(match Readable::deserialize(deserializer)? {
            Readable::Unread { unread } => Self::unread(unread),
            Readable::Read(value) => Self::Read(value),
        })
    }
}

/// Reads a list into no more memory than its items need.
pub(super) fn exact<'de, D, T>(deserializer: D) -> Result<Seen<Vec<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    let mut seen = Seen::<Vec<T>>::deserialize(deserializer)?;
    if let Seen::Read(list) = &mut seen {
        list.shrink_to_fit();
    }
    Ok(seen)
}

impl<T> Default for Seen<T> {
    fn default() -> Self {
        Self::unread(Reason::NotAsked)
    }
}

impl Reason {
    /// As in files and reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::NotAsked => "not-asked",
            Self::Rbac => "rbac",
            Self::AccessPolicy => "access-policy",
            Self::Firewall => "firewall",
            Self::Throttled => "throttled",
            Self::NotLicensed => "not-licensed",
            Self::NotInCloud => "not-in-cloud",
            Self::Parse => "parse",
            Self::Failed => "failed",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_absent_was_not_asked_for_and_what_is_empty_was_read() {
        let read: Seen<Vec<u8>> = serde_json::from_str("[]").unwrap();
        assert_eq!(read, Seen::Read(Vec::new()));
        let unread: Seen<Vec<u8>> = serde_json::from_str(r#"{"unread":"not-licensed"}"#).unwrap();
        assert_eq!(unread, Seen::unread(Reason::NotLicensed));
        assert_eq!(serde_json::to_string(&unread).unwrap(), r#"{"unread":"not-licensed"}"#);
        assert_eq!(Seen::<Vec<u8>>::default().reason(), Some(Reason::NotAsked));
    }
}
