//! What a request is for, said once and used in errors, traces, counters and decisions.

use std::fmt;

/// One thing that kvops asks of a service. Constants of this type stand next to the methods that
/// use them; the page on permissions is made from the same words.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Operation {
    /// Who is asked.
    pub service: Service,
    /// What is done, as in "reading the application": it begins error messages.
    pub name: &'static str,
    /// The right without which the service refuses.
    pub permission: &'static str,
    /// Whether the same request may be sent twice.
    pub repeat: Repeat,
    /// What it takes out of the service's budgets.
    pub cost: Cost,
}

impl Operation {
    /// An operation that changes nothing, or nothing more when it is done twice.
    pub const fn safe(service: Service, name: &'static str, permission: &'static str) -> Self {
        Self { service, name, permission, repeat: Repeat::Safe, cost: Cost::ONE }
    }

    /// The same operation at a higher price.
    #[must_use]
    pub const fn costing(self, units: u32) -> Self {
        Self { cost: Cost { units, ..self.cost }, ..self }
    }

    /// The same operation, which takes from a narrower budget as well.
    #[must_use]
    pub const fn taking(self, scarce: Scarce) -> Self {
        Self { cost: Cost { scarce: Some(scarce), ..self.cost }, ..self }
    }

    /// An operation that acts once for each time it arrives.
    pub const fn once(service: Service, name: &'static str, permission: &'static str) -> Self {
        Self { service, name, permission, repeat: Repeat::OnlyIfNotSent, cost: Cost::ONE }
    }

    /// An operation that rests on something read before, and must be built anew from a new reading.
    pub const fn never_repeated(service: Service, name: &'static str, permission: &'static str) -> Self {
        Self { service, name, permission, repeat: Repeat::Never, cost: Cost::ONE }
    }
}

/// What a request takes out of the budgets that services keep, for whoever sends many.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Cost {
    /// Units of the general budget; Graph counts some reads twice.
    pub units: u32,
    /// A narrower budget that it takes one unit of, too.
    pub scarce: Option<Scarce>,
}

impl Cost {
    /// One unit, and nothing scarce.
    pub const ONE: Self = Self { units: 1, scarce: None };
}

/// Budgets that are much smaller than the general one of their service.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Scarce {
    /// Reading `keyCredentials` by name: 150 a minute and tenant.
    KeyCredentials,
    /// Reports of sign-ins: 5 in ten seconds.
    Reports,
    /// Queries of Resource Graph: 15 in five seconds.
    ResourceGraph,
}

/// Whether a request may be sent again when the first time did not succeed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Repeat {
    /// Reading, signing, or setting something to a value: twice is as good as once.
    Safe,
    /// Creating: only when the service cannot have acted on the first.
    OnlyIfNotSent,
    /// Writing what follows from a reading: the caller reads again first.
    Never,
}

/// The services that kvops talks to.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum Service {
    /// The data plane of Key Vault.
    KeyVault,
    /// Microsoft Graph.
    Graph,
    /// Microsoft Entra's token endpoint and metadata.
    Entra,
    /// Azure Resource Manager and Resource Graph.
    ResourceManager,
    /// An identity endpoint of the machine or of the CI system.
    Identity,
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::KeyVault => "Key Vault",
            Self::Graph => "Microsoft Graph",
            Self::Entra => "Microsoft Entra",
            Self::ResourceManager => "Azure Resource Manager",
            Self::Identity => "the identity endpoint",
        })
    }
}
