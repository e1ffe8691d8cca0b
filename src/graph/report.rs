//! Reports on when credentials and service principals were last used. They exist in beta, in the
//! public cloud, and for tenants with a licence for them.

use serde::Deserialize;
use time::OffsetDateTime;

use super::client::Client;
use super::list::List;
use super::registration::or_default;
use crate::domain::{AppId, CredentialId};
use crate::http::{Operation, Scarce, Service};

const CREDENTIALS: Operation =
    Operation::safe(Service::Graph, "reading when credentials were last used", "AuditLog.Read.All")
        .taking(Scarce::Reports);
const PRINCIPALS: Operation =
    Operation::safe(Service::Graph, "reading when service principals last signed in", "AuditLog.Read.All")
        .taking(Scarce::Reports);

/// The last use of one credential.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CredentialUse {
    /// The credential.
    pub key_id: CredentialId,
    /// When.
    #[serde(default, deserialize_with = "or_default")]
    pub sign_in_activity: LastSignIn,
}

/// The last sign-ins of one application in this tenant.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PrincipalUse {
    /// Client id.
    pub app_id: AppId,
    /// As itself.
    #[serde(default, deserialize_with = "or_default")]
    pub application_authentication_client_sign_in_activity: LastSignIn,
    /// In the name of people.
    #[serde(default, deserialize_with = "or_default")]
    pub delegated_client_sign_in_activity: LastSignIn,
}

/// The moment of a last sign-in.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LastSignIn {
    /// Absent if there is none.
    #[serde(default, with = "time::serde::rfc3339::option")]
    pub last_sign_in_date_time: Option<OffsetDateTime>,
}

impl Client {
    /// When each credential of the tenant was last used. One that is not listed has no known use.
    pub fn credential_activity(&self) -> List<'_, CredentialUse> {
        self.listed(self.beta("reports/appCredentialSignInActivities", &[("$top", "999")]), CREDENTIALS)
    }

    /// When each service principal of the tenant last signed in.
    pub fn principal_activity(&self) -> List<'_, PrincipalUse> {
        self.listed(self.beta("reports/servicePrincipalSignInActivities", &[("$top", "999")]), PRINCIPALS)
    }
}
