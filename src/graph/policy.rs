//! App management policies: what the tenant allows to be added.

use super::client::Client;
use super::error::Error;
use super::wire::Policy;
use crate::domain::{AppManagementPolicy, ObjectId};
use crate::http::{Operation, Service};

const READ_DEFAULT: Operation =
    Operation::safe(Service::Graph, "reading the tenant's app management policy", "Policy.Read.All");
const READ_OWN: Operation =
    Operation::safe(Service::Graph, "reading the application's management policies", "Policy.Read.All");

impl Client {
    /// The tenant's default policy, if it is in force.
    pub async fn default_app_management_policy(&self) -> Result<Option<AppManagementPolicy>, Error> {
        let policy: Policy = self.get(&READ_DEFAULT, self.url("policies/defaultAppManagementPolicy", &[])).await?;
        Ok(in_force(policy))
    }

    /// The policies that are in force for an application. Its own one stands in place of the
    /// tenant's, which is then not read.
    pub async fn app_management_policies(&self, id: ObjectId) -> Result<Vec<AppManagementPolicy>, Error> {
        let url = self.url(&format!("applications/{id}/appManagementPolicies"), &[]);
        let own: Vec<Policy> = self.all(&READ_OWN, url).await?;
        let own: Vec<_> = own.into_iter().filter_map(in_force).collect();
        if !own.is_empty() {
            return Ok(own);
        }
        Ok(self.default_app_management_policy().await?.into_iter().collect())
    }
}

fn in_force(policy: Policy) -> Option<AppManagementPolicy> {
    policy.is_enabled.then(|| policy.into())
}
