//! What a lab holds at its start.

mod operator;

use std::str::FromStr;

use serde_json::json;
use time::Duration;
use uuid::Uuid;

use super::keyvault;
use super::world::World;
use crate::domain::Secret;

pub(crate) use operator::assignment;

/// The vault to work in. Every seed has it.
const VAULT: &str = "contoso-kv";

/// What a lab holds at its start. As text: `empty`, `small`, `scale:APPS,PRINCIPALS,VAULTS,CERTIFICATES`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Seed {
    /// The operator's own application and nothing else.
    Empty,
    /// A dozen applications of which most have one fault, and two vaults.
    Small,
    /// Made up while it is read.
    Scale {
        /// Applications in the directory.
        applications: u32,
        /// Service principals in the directory.
        principals: u32,
        /// Vaults.
        vaults: u32,
        /// Certificates in each vault.
        certificates: u32,
    },
}

impl FromStr for Seed {
    type Err = super::Error;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let numbers = |list: &str| list.split(',').map(|number| number.trim().parse().ok()).collect::<Option<Vec<_>>>();
        match (text, text.strip_prefix("scale:").and_then(numbers).as_deref()) {
            ("empty", _) => Ok(Self::Empty),
            ("small", _) => Ok(Self::Small),
            (_, Some(&[applications, principals, vaults, certificates])) => {
                Ok(Self::Scale { applications, principals, vaults, certificates })
            }
            _ => Err(super::Error::Seed(format!(
                "`{text}` is no seed: `empty`, `small` or `scale:APPS,PRINCIPALS,VAULTS,CERTIFICATES`"
            ))),
        }
    }
}

/// The identity that works in the lab, and the application that it works on by default.
#[derive(Clone, Debug)]
pub(crate) struct Operator {
    pub(crate) app_id: Uuid,
    pub(crate) secret: Secret<String>,
    pub(crate) subject_object_id: Uuid,
    pub(crate) subject_app_id: Uuid,
    /// Name of the vault to work in.
    pub(crate) vault: &'static str,
}

/// Fills an empty world.
pub(crate) fn plant(world: &mut World, _seed: &Seed) -> Result<Operator, String> {
    let long_ago = world.now() - Duration::days(400);
    let mut guids: Vec<_> = (0..8).map(|_| world.guid()).collect();
    world.directory.add_first_party(long_ago, || guids.pop().unwrap_or_default());
    world.entra.identity_header = world.guid().simple().to_string();
    let operator = operator::register(world, long_ago)?;
    keyvault::create_vault(world, VAULT, keyvault::VaultOptions::default());
    let right = json!({ "vault": VAULT, "principal": operator.principal, "role": "Key Vault Administrator" });
    keyvault::grant(world, &right)?;
    world.directory.settle();
    Ok(Operator {
        app_id: operator.app_id,
        secret: operator.secret,
        subject_object_id: operator.object_id,
        subject_app_id: operator.app_id,
        vault: VAULT,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_is_one_of_three_and_nothing_else() {
        assert_eq!("small".parse::<Seed>().unwrap(), Seed::Small);
        let scale = Seed::Scale { applications: 10_000, principals: 12_000, vaults: 10, certificates: 100 };
        assert_eq!("scale:10000,12000,10,100".parse::<Seed>().unwrap(), scale);
        for bad in ["", "large", "scale:", "scale:1,2,3", "scale:1,2,3,x", "scale:1,2,3,4,5"] {
            assert!(bad.parse::<Seed>().is_err(), "{bad}");
        }
    }
}
