//! Reading a tenant and its vaults: what comes of it, what it costs, and what is said of the rest.

mod cloud;
mod gaps;
mod narrow;
mod pages;
mod scale;

use kvops::inventory::Evidence;
use kvops::inventory::Inventory;
use kvops::inventory::Reason;
use kvops::inventory::Seen;
use kvops::lab::LabOptions;
use kvops::lab::Seed;
use serde_json::json;

use crate::support::Bench;
use crate::support::assert_same;
use crate::support::shown;

/// The tenant with a fault per application.
fn small() -> Bench {
    Bench::with(LabOptions { seed: Seed::Small, ..LabOptions::default() })
}

fn application(inventory: &Inventory, name: &str) -> kvops::inventory::Application {
    inventory.applications.iter().find(|application| &*application.display_name == name).unwrap()
}

#[test]
fn a_small_tenant_is_read_whole() {
    let bench = small();
    let inventory = bench.collect();
    let unread: Vec<_> = inventory.coverage.gaps.iter().collect();
    assert!(unread.is_empty(), "{unread:#?}");
    assert!(inventory.applications.len() >= 12);
    assert!(inventory.vaults.len() >= 2);

    let billing = application(&inventory, "billing-api");
    assert_eq!(billing.passwords.len(), 1);
    assert!(billing.passwords[0].last_used.read().unwrap().is_some(), "it was used an hour ago");
    assert_eq!(billing.owners.read().unwrap().len(), 1);
    assert_eq!(billing.federated, Seen::Read(Vec::new()));

    let payroll = application(&inventory, "payroll-sync");
    let x = payroll.keys[0].x.read().unwrap();
    assert!(payroll.keys[0].thumbprint().is_some_and(|label| x.has(&label)));
    let vault = inventory.vaults.iter().find(|vault| vault.name.as_str() == "contoso-kv").unwrap();
    let certificate =
        vault.certificates.read().unwrap().iter().find(|one| one.name.as_str() == "payroll-sync").unwrap();
    assert_eq!(certificate.policy.read().unwrap().exportable, Some(true));
    let version = &certificate.versions.read().unwrap()[0];
    assert_eq!(version.x.read().unwrap().sha1, x.sha1);
    assert!(version.key.read().unwrap().kty.is_some());
    assert!(inventory.directory_roles.read().is_some() && inventory.assignments.read().is_some());
    assert!(inventory.coverage.is_complete(Evidence::KeyBytes));
}

#[test]
fn what_is_read_is_the_same_each_time_and_in_order() {
    let bench = small();
    let (first, second) = (bench.collect(), bench.collect());
    let (first, second) = (shown(&first), shown(&second));
    assert_same(&first, &second);
    let ids: Vec<_> = first["applications"].as_array().unwrap().iter().map(|it| it["id"].to_string()).collect();
    assert!(ids.is_sorted());
}

#[test]
fn bytes_come_from_lists_where_the_directory_gives_them_there_and_one_by_one_elsewhere() {
    let bench = small();
    let one_by_one = bench.collect();
    bench.settings(&json!({ "keys_in_lists": true }));
    let mark = bench.mark();
    let in_lists = bench.collect();
    assert_same(&shown(&one_by_one), &shown(&in_lists));
    let routes = bench.routes(mark);
    assert_eq!(routes.get("GET /v1.0/applications/{id}"), None, "{routes:#?}");
}

#[test]
fn an_older_version_that_an_application_still_trusts_is_found() {
    let bench = Bench::tame();
    let app = bench.application("billing");
    bench.kvops(&["provision", "--app", "billing", "--vault", "contoso-kv", "--name", "billing"]).ends_with(0);
    // Somebody renews in the vault, and tells nobody.
    bench.vault("POST", "/certificates/billing/create", &json!({}));
    bench.lab().clock().advance(time::Duration::minutes(1));
    let inventory = bench.collect();
    let key = &application(&inventory, "billing").keys[0];
    let vault = inventory.vaults.iter().find(|vault| vault.name.as_str() == "contoso-kv").unwrap();
    let certificate = vault.certificates.read().unwrap().get(0).unwrap();
    let versions = certificate.versions.read().unwrap();
    assert_eq!(versions.len(), 2);
    assert_ne!(certificate.x5t.as_ref().unwrap(), &key.x.read().unwrap().sha1);
    assert_eq!(versions[1].x.read().unwrap().sha1, key.x.read().unwrap().sha1);
    assert!(versions[0].x.read().is_some(), "the version that would have to be attached is known as well");
    assert_eq!(bench.keys_of(&app).len(), 1);
}

#[test]
fn bytes_that_no_plan_has_time_for_stay_unread_and_are_said_to() {
    let bench = small();
    let plan = kvops::inventory::Plan { most_single_reads: 0, ..bench.plan() };
    let inventory = bench.try_collect(None, &plan, &mut kvops::inventory::State::none()).unwrap();
    let key = &application(&inventory, "payroll-sync").keys[0];
    assert_eq!(key.x.reason(), Some(Reason::Throttled));
    assert!(!inventory.coverage.is_complete(Evidence::KeyBytes));
}
