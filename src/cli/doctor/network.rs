//! Names, connections and the clock: what fails here fails before anybody is asked for a right.

use std::net::IpAddr;
use std::time::Instant;

use url::Url;

use super::super::context::Context;
use super::super::failure::Failure;
use super::check::Check;
use super::impatient;
use crate::domain::Vault;
use crate::http::{Auth, Cause, Operation, Request, Service};

const REACH_ENTRA: Operation = Operation::safe(Service::Entra, "reaching Microsoft Entra", "nothing");
const REACH_GRAPH: Operation = Operation::safe(Service::Graph, "reaching Microsoft Graph", "nothing");
const REACH_VAULT: Operation = Operation::safe(Service::KeyVault, "reaching the vault", "nothing");

/// One check for each host.
pub(super) async fn checks(context: &Context, vault: Option<&Vault>) -> Vec<Check> {
    let cloud = context.http().cloud();
    let below = |root: &Url, path: &str| root.join(path).unwrap_or_else(|_| root.clone());
    let entra = below(cloud.authority(), &format!("{}/v2.0/.well-known/openid-configuration", context.any_tenant()));
    let graph = below(cloud.graph(), "v1.0/");
    let vault = async {
        let vault = vault?;
        Some(reach(context, &REACH_VAULT, below(vault.url(), "certificates?api-version=7.4")).await)
    };
    let (entra, graph, vault) =
        futures::join!(reach(context, &REACH_ENTRA, entra), reach(context, &REACH_GRAPH, graph), vault);
    [entra, graph].into_iter().chain(vault).collect()
}

/// Any answer will do, a refusal included: names, ways and TLS are in order then.
async fn reach(context: &Context, operation: &Operation, url: Url) -> Check {
    let host = url.host_str().unwrap_or_default().to_owned();
    let check = Check::of("network", operation.service.to_string());
    let resolved = addresses(context, &host, url.port_or_known_default().unwrap_or(443)).await;
    let began = Instant::now();
    let answered = context.http().patient(impatient()).send(operation, &Request::get(url), &Auth::None).await;
    let took = began.elapsed().as_millis();
    match answered {
        Err(error) if error.status().is_none() && matches!(error.cause(), Cause::Unreachable(_) | Cause::Lost(_)) => {
            let check = check.failed(&Failure::from(error));
            match resolved {
                Ok(resolved) => check.next(format!("look beyond the name, which resolves to {resolved}")),
                Err(problem) => check.next(format!("have the name resolved: {problem}")),
            }
        }
        _ => match resolved {
            Ok(resolved) => check.good(format!("{host} answers in {took} ms at {resolved}")),
            Err(_) => check.good(format!("{host} answers in {took} ms through a proxy, which resolves the name")),
        },
    }
}

async fn addresses(context: &Context, host: &str, port: u16) -> Result<String, String> {
    if let Some(address) = context.http().cloud().address_of(host) {
        return Ok(format!("{address} by the configuration"));
    }
    let found = tokio::net::lookup_host((host, port)).await.map_err(|error| error.to_string())?;
    let mut found: Vec<String> = found.map(|address| kind(address.ip())).collect();
    found.sort();
    found.dedup();
    if found.is_empty() { Err("it has no address".to_owned()) } else { Ok(found.join(", ")) }
}

/// A private address is that of a private endpoint.
fn kind(address: IpAddr) -> String {
    let is_private = match address {
        IpAddr::V4(address) => address.is_private(),
        IpAddr::V6(address) => address.is_unique_local(),
    };
    if is_private { format!("{address} (private endpoint)") } else { address.to_string() }
}

/// The difference between the clocks, from the answers so far.
pub(super) fn clock(context: &Context) -> Check {
    let check = Check::of("clock", "this machine's clock");
    match context.http().skew() {
        None => check.good("agrees with the services to two seconds, as far as they answered"),
        Some(skew) => {
            let (seconds, side) = (skew.whole_seconds().abs(), if skew.is_positive() { "behind" } else { "ahead" });
            let check =
                check.warning(format!("is {seconds} s {side}; kvops dates what it signs by the services' clock"));
            check.next("set the clock: other programs do not correct it")
        }
    }
}
