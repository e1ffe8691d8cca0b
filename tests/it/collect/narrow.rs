//! Narrowed down to some applications or vaults, and run again with what the last run has left.

use kvops::inventory::Evidence;
use kvops::inventory::Inventory;
use kvops::inventory::Plan;
use kvops::inventory::Reason;
use kvops::inventory::ServicePrincipal;
use kvops::inventory::State;
use serde_json::Value;
use serde_json::json;

use super::small;
use crate::support::Bench;
use crate::support::VAULT;
use crate::support::assert_same;
use crate::support::shown;

#[test]
fn one_application_is_read_without_the_others() {
    let bench = small();
    let all = bench.collect();
    let wanted = all.applications.iter().find(|one| &*one.display_name == "payroll-sync").unwrap();
    let plan = Plan { applications: vec![wanted.id], ..bench.plan() };
    let mark = bench.mark();
    let some = bench.try_collect(None, &plan, &mut State::none()).unwrap();
    assert_eq!((some.applications.len(), some.service_principals.len()), (1, 1));
    assert!(some.header.is_narrowed_to_applications);
    assert_eq!(some.deleted_applications.reason(), Some(Reason::NotAsked));
    assert!(some.coverage.gaps.is_empty(), "what nobody asked for is no gap: {:#?}", some.coverage.gaps);
    let own = all.service_principals.iter().find(|principal| principal.app_id == wanted.app_id).unwrap();
    let only = |inventory: &Inventory, principal: &ServicePrincipal| {
        let mut one = Inventory::empty(inventory.header.clone());
        one.applications = inventory.applications.iter().filter(|one| one.app_id == principal.app_id).collect();
        one.service_principals = vec![principal.clone()].into();
        shown(&one)
    };
    let (some, all) = (only(&some, &some.service_principals.get(0).unwrap()), only(&all, &own));
    assert_same(&some["applications"], &all["applications"]);
    assert_same(&some["servicePrincipals"], &all["servicePrincipals"]);
    let routes = bench.routes(mark);
    assert_eq!(routes.get("GET /v1.0/servicePrincipals"), None, "{routes:#?}");
    assert_eq!(routes.get("GET /v1.0/applications"), Some(&1), "{routes:#?}");
}

#[test]
fn one_vault_is_read_without_the_others() {
    let bench = small();
    let plan = Plan { vaults: Some(vec![bench.place(VAULT)]), ..bench.plan() };
    let mark = bench.mark();
    let inventory = bench.try_collect(None, &plan, &mut State::none()).unwrap();
    let names: Vec<_> = inventory.vaults.iter().map(|vault| vault.name.as_str()).collect();
    assert_eq!(names, [VAULT]);
    assert!(inventory.header.is_narrowed_to_vaults);
    assert!(inventory.vaults[0].properties.read().is_some(), "Azure is asked about it all the same");
    let hosts = bench.asked(mark, kvops::lab::Service::KeyVault);
    assert!(hosts.iter().all(|entry| entry.host.starts_with(VAULT)));
}

#[test]
fn what_has_not_changed_is_not_read_again() {
    let bench = small();
    let folder = bench.file("state");
    let run = || {
        let (mut state, problem) = State::open(&folder, "lab");
        assert!(problem.is_none(), "{problem:?}");
        let mark = bench.mark();
        let inventory = bench.try_collect(None, &bench.plan(), &mut state).unwrap();
        state.save(&inventory).unwrap();
        (inventory, bench.routes(mark))
    };
    let (first, cold) = run();
    let (second, warm) = run();
    assert_same(&shown(&first), &shown(&second));
    assert!(warm.values().sum::<usize>() < cold.values().sum::<usize>(), "{cold:#?} {warm:#?}");
    assert_eq!(warm.get("GET /v1.0/applications/{id}"), None, "bytes are known: {warm:#?}");
    assert_eq!(warm.get("GET /v1.0/applications/delta"), Some(&2), "what has changed, and certificates with bytes");

    // A new application, a secret more, and an application less.
    let new = bench.application("newcomer");
    let crm = first.applications.iter().find(|one| &*one.display_name == "crm-connector").unwrap();
    let path = format!("/v1.0/applications/{}", crm.id);
    bench.graph("POST", &format!("{path}/addPassword"), &json!({ "passwordCredential": { "displayName": "s" } }));
    let orphan = first.applications.iter().find(|one| &*one.display_name == "orphan-tool").unwrap();
    bench.graph("DELETE", &format!("/v1.0/applications/{}", orphan.id), &Value::Null);
    bench.lab().clock().advance(time::Duration::minutes(10));
    let (third, _) = run();
    let fresh = bench.collect();
    assert_same(&shown(&third), &shown(&fresh));
    assert!(third.applications.iter().any(|one| one.id == new.object()));
    assert!(third.applications.iter().all(|one| one.id != orphan.id));
}

#[test]
fn a_moment_that_is_too_long_ago_leads_to_a_full_run() {
    let bench = Bench::tame();
    bench.application("billing");
    let folder = bench.file("state");
    let run = || {
        let (mut state, _) = State::open(&folder, "lab");
        let inventory = bench.try_collect(None, &bench.plan(), &mut state).unwrap();
        state.save(&inventory).unwrap();
        inventory
    };
    run();
    bench.lab().clock().advance(time::Duration::days(8));
    let inventory = run();
    assert!(inventory.coverage.is_complete(Evidence::Applications));
    let again = run();
    assert_same(&shown(&again), &shown(&inventory));
}
