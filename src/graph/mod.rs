//! Microsoft Graph: applications, their certificates and the policies on them. Thin, typed, and
//! only what the commands use.
//!
//! Graph has no version tags, so nothing here can be written "only if unchanged". Whoever writes a
//! list of credentials reads it first, writes it once, reads it again, and repairs what was lost.

mod application;
mod change;
mod client;
mod error;
mod keys;
mod list;
mod listing;
mod policy;
mod principal;
mod registration;
mod relation;
mod report;
mod tenant;
mod wire;

pub use application::ApplicationRecord;
pub use client::Client;
pub use error::{Candidate, Error};
pub use keys::{Holder, NewKey};
pub use list::{List, Page};
pub use listing::{Changed, Class, LARGEST_PAGE, Part};
pub use principal::{DirectoryObject, MOST_LOOKED_UP};
pub use registration::{
    Access, Api, Implicit, Keys, ListedKey, ListedPassword, Lock, Principal, Publisher, Redirects, Registration,
    RequiredAccess, Scope, Web,
};
pub use relation::{
    ChangedGrant, ClaimsExpression, Consent, Federated, Grant, Holding, Known, MOST_EXPANDED, Owned, Owner, RoleHolder,
};
pub use report::{CredentialUse, LastSignIn, PrincipalUse};
pub use tenant::{
    AuthorizationPolicy, CustomPolicy, DefaultPolicy, DefaultUserRole, Organization, Restricted, Restriction,
    RoleAssigned,
};
