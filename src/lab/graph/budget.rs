//! What requests cost, and the budget that Graph keeps for reads of certificates.

use http::{Method, StatusCode};
use time::Duration;

use super::fault::Fault;
use super::path::Path;
use crate::lab::exchange::Request;
use crate::lab::world::World;

/// Reads with `$select=keyCredentials` in one minute, over the whole tenant.
const KEY_READS: usize = 150;

/// The resource units of a request, as in `x-ms-resource-unit`: two for a list of applications,
/// less one with `$select` or a small `$top`, plus one with `$expand`, never less than one.
pub(crate) fn resource_units(request: &Request) -> u32 {
    let Ok(path) = Path::parse(request) else { return 1 };
    let names = path.names();
    let base: i32 = match names.as_slice() {
        ["applications"] | ["applications", "delta"] if request.method == Method::GET => 2,
        ["serviceprincipals", _, "approleassignments" | "approleassignedto"]
        | ["oauth2permissiongrants"]
        | ["oauth2permissiongrants", "delta"]
        | ["users"]
            if request.method == Method::GET =>
        {
            2
        }
        ["directoryobjects", "getbyids"] => 3,
        _ => 1,
    };
    let small = request.query("$top").and_then(|top| top.parse().ok()).is_some_and(|top: u32| top < 20);
    let discount = i32::from(request.query("$select").is_some()) + i32::from(small);
    let surcharge = i32::from(request.query("$expand").is_some());
    (base - discount + surcharge).max(1).unsigned_abs()
}

/// Takes one read of `keyCredentials` from the tenant's budget.
pub(super) fn spend_key_read(world: &mut World) -> Result<(), Fault> {
    if !world.settings.budgets {
        return Ok(());
    }
    let now = world.now();
    let served = &mut world.directory.key_reads;
    served.retain(|&at| at <= now && now - at < Duration::MINUTE);
    let Some(&oldest) = served.first().filter(|_| served.len() >= KEY_READS) else {
        served.push(now);
        return Ok(());
    };
    let wait = (Duration::MINUTE - (now - oldest)).whole_seconds() + 1;
    let message = "Too many requests. The limit for reading keyCredentials has been reached for this tenant.";
    Err(Fault::new(StatusCode::TOO_MANY_REQUESTS, "TooManyRequests", message)
        .with_header("retry-after", &wait.to_string())
        .with_header("x-ms-throttle-limit-percentage", "1.0")
        .with_header("x-ms-throttle-scope", "Tenant/Read/keyCredentials")
        .with_header("x-ms-throttle-information", "KeyCredentialsReadLimitExceeded"))
}
