//! A larger tenant in simulated time: nothing is lost between its parts, nothing is asked twice, and no
//! budget is overdrawn.

use std::collections::BTreeSet;

use kvops::domain::Clock as _;
use kvops::inventory::Plan;
use kvops::inventory::State;
use kvops::lab::LabOptions;
use kvops::lab::Seed;
use serde_json::json;

use crate::support::Bench;

const APPLICATIONS: u32 = 3_500;
const PRINCIPALS: u32 = 1_200;

#[test]
fn a_tenant_in_parts_is_whole_and_costs_what_it_must() {
    let seed = Seed::Scale { applications: APPLICATIONS, principals: PRINCIPALS, vaults: 2, certificates: 30 };
    let bench = Bench::with(LabOptions { seed, ..LabOptions::default() });
    let latency = json!({ "graph": 120 });
    bench.settings(&json!({ "budgets": true, "keys_in_lists": true, "virtual_latency": latency }));
    bench.lab().control("PUT", "/clock", &json!({ "simulated": true, "quiet_ms": 10 })).unwrap();
    let (began, mark) = (bench.lab().clock().now(), bench.mark());
    let plan = Plan { most_single_reads: 0, ..bench.plan() };
    let inventory = bench.try_collect(None, &plan, &mut State::none()).unwrap();
    let took = bench.lab().clock().now() - began;

    assert!(inventory.applications.len() >= APPLICATIONS as usize);
    assert!(inventory.service_principals.len() >= PRINCIPALS as usize);
    assert!(
        inventory.applications.iter().map(|one| one.id).is_sorted_by(|one, next| one < next),
        "each once, and in order"
    );
    assert!(inventory.applications.iter().all(|one| one.owners.read().is_some() && one.federated.read().is_some()));
    assert!(took < time::Duration::seconds(30), "{took}");

    let log = bench.lab().requests_since(mark);
    let asked =
        |path: &str, query: &str| log.iter().filter(|entry| entry.path == path && entry.query.contains(query)).count();
    let pages = |objects: u32, page: u32| objects.div_ceil(page) as usize;
    // Each class in two parts, each part with a page that is not full.
    assert!(asked("/v1.0/applications", "expand=owners") <= pages(APPLICATIONS, 100) + 8);
    let listed = asked("/v1.0/applications", "top=999") - asked("/v1.0/applications", "federated");
    assert!(listed <= 2 * (pages(APPLICATIONS, 999) + 2), "{listed}");
    let last = |path: &str, query: &str| {
        log.iter().rposition(|entry| entry.path.ends_with(path) && entry.query.contains(query)).unwrap()
    };
    assert!(last("/federatedIdentityCredentials", "") < last("/v1.0/applications", "keyCredentials"), "side by side");
    let turned_away = log.iter().filter(|entry| entry.status == Some(429)).count();
    assert_eq!(turned_away, 0);
}

#[test]
fn vaults_of_several_subscriptions_are_read_with_what_watches_them() {
    let seed = Seed::Scale { applications: 10, principals: 10, vaults: 101, certificates: 1 };
    let bench = Bench::with(LabOptions { seed, ..LabOptions::default() });
    let inventory = bench.collect();
    let subscriptions: BTreeSet<_> =
        inventory.vaults.iter().filter_map(|vault| vault.properties.read()).map(|it| &it.subscription).collect();
    assert_eq!((inventory.vaults.len(), subscriptions.len()), (102, 2));
    assert!(
        inventory.vaults.iter().all(|vault| vault.is_logged.read().is_some() && vault.is_defended.read().is_some())
    );
    assert!(inventory.vaults.iter().all(|vault| vault.certificates.read().is_some()));
    assert_eq!(inventory.coverage.gaps, []);
}

/// A tenant whose service principals are read in parts.
fn large() -> Bench {
    let seed = Seed::Scale { applications: 3_100, principals: 3_100, vaults: 1, certificates: 10 };
    let bench = Bench::with(LabOptions { seed, ..LabOptions::default() });
    bench.settings(&json!({ "keys_in_lists": true }));
    bench
}

#[test]
fn who_holds_which_role_is_the_same_from_either_side() {
    let bench = large();
    let mark = bench.mark();
    let in_parts = bench.collect();
    assert!(in_parts.service_principals.iter().any(|one| !one.app_roles.read().unwrap().is_empty()));
    assert_eq!(bench.routes(mark).get("GET /v1.0/servicePrincipals/{id}/appRoleAssignedTo"), None);

    let refused = json!({ "match": { "query": "$expand=appRoleAssignments" }, "result": { "status": 400 } });
    bench.fault(&refused);
    let mark = bench.mark();
    let from_apis = bench.collect();
    assert!(bench.routes(mark).contains_key("GET /v1.0/servicePrincipals/{id}/appRoleAssignedTo"));
    assert_eq!(in_parts.service_principals, from_apis.service_principals);
    assert!(from_apis.coverage.gaps.is_empty(), "what can be asked in another way is no gap");
}

#[test]
fn a_relation_that_is_left_out_of_an_answer_is_not_taken_for_empty() {
    let bench = large();
    let expected = bench.collect();
    let bare = json!({ "value": [{ "id": "7b0b8a3e-7d2e-4c3f-9d4b-1c9d7d3e2f10" }] });
    let ignored = json!({
        "match": { "query": "$expand=appRoleAssignments" }, "result": { "status": 200, "body": bare },
    });
    bench.fault(&ignored);
    assert_eq!(expected.service_principals, bench.collect().service_principals);
}

#[test]
fn bytes_of_what_has_changed_come_with_the_changes_or_many_at_a_time() {
    let bench = large();
    let folder = bench.file("state");
    let run = || {
        let (mut state, _) = State::open(&folder, "lab");
        let mark = bench.mark();
        let inventory = bench.try_collect(None, &bench.plan(), &mut state).unwrap();
        state.save(&inventory).unwrap();
        (inventory, bench.routes(mark))
    };
    let churn = || bench.lab().control("POST", "/churn", &json!({ "percent": 2 })).unwrap();
    let asked_singly =
        |routes: &std::collections::BTreeMap<String, usize>| routes.get("GET /v1.0/applications/{id}").copied();
    run();
    churn();
    let (warm, routes) = run();
    assert_eq!(asked_singly(&routes), None);
    assert_eq!(warm.applications, bench.collect().applications);

    // Without that list, in conditions of fifteen ids.
    let gone = json!({ "match": { "path": "/v1.0/applications/delta", "query": "keyCredentials" }, "result": { "status": 410 } });
    bench.fault(&gone);
    churn();
    let (warm, routes) = run();
    assert_eq!(asked_singly(&routes), None);
    assert_eq!(warm.applications, bench.collect().applications);
}

#[test]
fn delegated_permissions_come_by_their_changes_and_are_those_of_a_full_run() {
    let bench = large();
    let folder = bench.file("state");
    let run = || {
        let (mut state, _) = State::open(&folder, "lab");
        let mark = bench.mark();
        let inventory = bench.try_collect(None, &bench.plan(), &mut state).unwrap();
        state.save(&inventory).unwrap();
        let count = |route: &str| bench.routes(mark).get(route).copied().unwrap_or_default();
        let (full, delta) = ("GET /v1.0/oauth2PermissionGrants", "GET /v1.0/oauth2PermissionGrants/delta");
        (inventory.service_principals, count(full), count(delta))
    };
    let churn = || bench.lab().control("POST", "/churn", &json!({ "percent": 2 })).unwrap();
    let (first, full, _) = run();
    assert!(full > 0);
    churn();
    let (warm, full, delta) = run();
    assert_eq!((full, delta), (0, 1));
    assert_ne!(warm, first);
    assert_eq!(warm, bench.collect().service_principals);

    // A mark that the directory has forgotten costs the full list, and nothing else.
    let gone =
        json!({ "match": { "path": "/v1.0/oauth2PermissionGrants/delta" }, "times": 1, "result": { "status": 410 } });
    bench.fault(&gone);
    churn();
    let (warm, full, _) = run();
    assert!(full > 0);
    assert_eq!(warm, bench.collect().service_principals);
}

#[test]
fn delegated_permissions_in_two_lists_are_those_of_one() {
    let bench = large();
    let count = |query: &str, number: usize| {
        let counting = json!({ "path": "/v1.0/oauth2PermissionGrants/$count", "query": query });
        bench.fault(&json!({ "match": counting, "result": { "status": 200, "body": number.to_string() } }));
    };
    let lists = |mark| {
        let log = bench.lab().requests_since(mark);
        let lists = log.into_iter().filter(|entry| entry.path == "/v1.0/oauth2PermissionGrants");
        let (by_kind, whole): (Vec<_>, Vec<_>) = lists.partition(|entry| entry.query.contains("consentType"));
        (by_kind.len(), whole.len())
    };
    let mark = bench.mark();
    let in_one = bench.collect();
    assert_eq!(lists(mark), (0, 1), "a short list is not cut");
    assert!(in_one.service_principals.iter().any(|one| one.delegated.read().is_some_and(|all| all[0].is_for_all)));

    // More than this tenant has, so that the list is long.
    count("'AllPrincipals'", 30_000);
    count("'Principal'", 20_000);
    count("", 50_000);
    let mark = bench.mark();
    let in_two = bench.collect();
    assert_eq!(lists(mark), (2, 0));
    assert_eq!(in_one.service_principals, in_two.service_principals);
    assert_eq!(in_one.coverage, in_two.coverage);

    // A page that is refused, for whatever reason, is read in the other way, and is no gap.
    let refused =
        json!({ "match": { "query": "$top=999&$filter=consentType eq 'Principal'" }, "result": { "status": 400 } });
    bench.fault(&refused);
    let mark = bench.mark();
    assert_eq!(in_one.coverage, bench.collect().coverage);
    assert_eq!(lists(mark).1, 1);
}

#[test]
fn a_delegated_permission_of_a_kind_that_nobody_knows_is_not_lost() {
    let bench = large();
    for (query, number) in [("'AllPrincipals'", "30000"), ("'Principal'", "20000"), ("", "50001")] {
        let counting = json!({ "path": "/v1.0/oauth2PermissionGrants/$count", "query": query });
        bench.fault(&json!({ "match": counting, "result": { "status": 200, "body": number } }));
    }
    let mark = bench.mark();
    bench.collect();
    let log = bench.lab().requests_since(mark);
    let is_list = |entry: &&kvops::lab::Entry| entry.path == "/v1.0/oauth2PermissionGrants";
    assert!(log.iter().filter(is_list).all(|entry| !entry.query.contains("consentType")));
    assert_eq!(log.iter().filter(is_list).count(), 1);
}
