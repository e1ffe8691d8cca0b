//! Lists as the services give them on bad days: shuffled, doubled, cut, slow, full of holes.

use serde_json::json;

use super::application;
use super::small;
use crate::support::Bench;
use crate::support::assert_same;
use crate::support::shown;

#[test]
fn small_and_empty_pages_lose_nothing() {
    let bench = small();
    let whole = shown(&bench.collect());
    bench.settings(&json!({ "page_size": 1, "empty_pages": true }));
    assert_same(&shown(&bench.collect()), &whole);
}

#[test]
fn one_request_in_five_turned_away_changes_nothing() {
    let bench = small();
    let whole = shown(&bench.collect());
    bench.settings(&json!({ "throttle_percent": 20 }));
    assert_same(&shown(&bench.collect()), &whole);
}

#[test]
fn shuffled_and_doubled_objects_and_lost_pages_change_nothing() {
    let bench = small();
    let whole = shown(&bench.collect());
    bench.settings(&json!({ "page_size": 3, "shuffle_pages": true, "duplicates": 50, "lost_page_tokens": 5 }));
    for _ in 0..3 {
        assert_same(&shown(&bench.collect()), &whole);
    }
}

#[test]
fn a_token_that_is_withdrawn_in_the_middle_changes_nothing() {
    let bench = small();
    let whole = shown(&bench.collect());
    let unauthorised = json!({ "status": 401, "headers": { "WWW-Authenticate": "Bearer error=\"invalid_token\"" } });
    for service in ["graph", "keyvault"] {
        bench.fault(&json!({ "match": { "service": service }, "result": unauthorised, "skip": 7, "times": 1 }));
    }
    assert_same(&shown(&bench.collect()), &whole);
}

#[test]
fn a_list_whose_page_is_lost_is_begun_anew() {
    let bench = small();
    let whole = shown(&bench.collect());
    bench.settings(&json!({ "page_size": 2 }));
    let body = json!({ "error": {
        "code": "Directory_ExpiredPageToken",
        "message": "The specified page token value has expired and can no longer be included in your request.",
    } });
    let result = json!({ "status": 400, "body": body });
    for path in ["/v1.0/applications", "/v1.0/servicePrincipals", "/v1.0/oauth2PermissionGrants"] {
        let going_on = json!({ "path": path, "query": "$skiptoken" });
        bench.fault(&json!({ "match": going_on, "result": result, "skip": 2, "times": 1 }));
    }
    assert_same(&shown(&bench.collect()), &whole);
}

#[test]
fn a_wait_of_a_fraction_of_a_second_is_obeyed() {
    let bench = Bench::tame();
    let app = bench.application("billing");
    let turned_away = json!({ "status": 429, "headers": { "Retry-After": "2.128" } });
    let listing = json!({ "path": "/v1.0/applications", "method": "GET" });
    bench.fault(&json!({ "match": listing, "result": turned_away, "times": 1 }));
    let started = kvops::domain::Clock::now(&bench.lab().clock());
    let inventory = bench.collect();
    let took = kvops::domain::Clock::now(&bench.lab().clock()) - started;
    assert!(inventory.applications.iter().any(|one| one.id == app.object()));
    assert!(took >= time::Duration::milliseconds(2_128), "{took}");
}

#[test]
fn the_twenty_first_owner_is_an_owner() {
    let bench = Bench::tame();
    let app = bench.application("crowded");
    for index in 0..21 {
        let owner = bench.identity(&format!("owner-{index}"));
        let origin = format!("https://localhost:{}", bench.lab().port());
        let link = json!({ "@odata.id": format!("{origin}/v1.0/directoryObjects/{}", owner.principal) });
        bench.graph("POST", &format!("/v1.0/applications/{}/owners/$ref", app.id), &link);
    }
    bench.lab().clock().advance(time::Duration::minutes(10));
    let inventory = bench.collect();
    assert_eq!(application(&inventory, "crowded").owners.read().unwrap().len(), 21);
}

#[test]
fn the_application_after_the_hundredth_is_read() {
    let bench = Bench::tame();
    for index in 0..105 {
        bench.graph("POST", "/v1.0/applications", &json!({ "displayName": format!("app-{index:03}") }));
    }
    bench.lab().clock().advance(time::Duration::minutes(10));
    let inventory = bench.collect();
    for index in 0..105 {
        let app = application(&inventory, &format!("app-{index:03}"));
        assert!(app.owners.read().is_some());
    }
}
