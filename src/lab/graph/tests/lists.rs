use serde_json::{Value, json};
use time::Duration;

use super::bench::{Bench, NOW, refusal};
use crate::lab::directory::Scale;
use crate::lab::fleet::Fleet;

fn with_apps(names: &[&str]) -> Bench {
    let mut bench = Bench::new();
    for name in names {
        assert_eq!(bench.post("/v1.0/applications", json!({ "displayName": name })).status, 201);
        bench.world.clock.advance(Duration::seconds(1));
    }
    bench
}

fn names(page: &Value) -> Vec<&str> {
    page["value"].as_array().unwrap().iter().map(|app| app["displayName"].as_str().unwrap()).collect()
}

/// All pages from a link on, as lists of names.
fn pages(bench: &mut Bench, url: &str) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut next = Some(url.to_owned());
    while let Some(url) = next {
        let page = bench.get(&url).value();
        pages.push(names(&page).into_iter().map(str::to_owned).collect());
        next = page["@odata.nextLink"].as_str().map(str::to_owned);
        assert!(pages.len() < 20, "endless pages");
    }
    pages
}

#[test]
fn pages_cover_everything_once_and_carry_the_query_along() {
    let mut bench = with_apps(&["a1", "a2", "b1", "a3", "a4", "a5"]);
    let url = "/v1.0/applications?$filter=startswith(displayName,'a')&$top=2&$select=displayName";
    let first = bench.get(url).value();
    let link = first["@odata.nextLink"].as_str().unwrap();
    assert!(link.starts_with("https://localhost:8443/v1.0/applications?"), "{link}");
    assert_eq!(first["@odata.context"], "https://localhost:8443/v1.0/$metadata#applications(displayName)");
    assert_eq!(pages(&mut bench, url), [vec!["a1", "a2"], vec!["a3", "a4"], vec!["a5"]]);
    bench.world.settings.empty_pages = true;
    assert_eq!(pages(&mut bench, url), [vec!["a1", "a2"], vec![], vec!["a3", "a4"], vec![], vec!["a5"]]);
    bench.world.settings.page_size = 1;
    assert_eq!(pages(&mut bench, url).concat(), ["a1", "a2", "a3", "a4", "a5"]);
}

#[test]
fn a_link_expires_and_a_page_has_a_limit() {
    let mut bench = with_apps(&["a", "b"]);
    let link = bench.get("/v1.0/applications?$top=1").value()["@odata.nextLink"].as_str().unwrap().to_owned();
    bench.world.clock.advance(Duration::hours(2));
    assert_eq!(refusal(&bench.get(&link)), (400, "Directory_ExpiredPageToken".into()));
    assert_eq!(bench.get("/v1.0/applications?$top=999").status, 200);
    for bad in [
        "$top=1000",
        "$top=0",
        "$top=x",
        "$skiptoken=x",
        "$skip=1",
        "$select=nonsense",
        "$filter=x",
        "$filter=nonsense eq 1",
    ] {
        assert_eq!(bench.get(&format!("/v1.0/applications?{bad}")).status, 400, "{bad}");
    }
}

#[test]
fn advanced_queries_need_the_header_and_the_count() {
    let mut bench = with_apps(&["web", "api", "job"]);
    let urls = [
        "/v1.0/applications?$filter=displayName ne 'api'&$count=true",
        "/v1.0/applications?$search=\"displayName:e\"&$count=true",
        "/v1.0/applications?$filter=startswith(displayName,'w')&$orderby=displayName&$count=true",
    ];
    for url in urls {
        assert_eq!(refusal(&bench.get(url)), (400, "Request_UnsupportedQuery".into()), "{url}");
    }
    assert_eq!(bench.get("/v1.0/applications/$count").status, 400);
    bench.with_header("consistencylevel", "eventual");
    assert_eq!(bench.get(urls[0]).value()["@odata.count"], 2);
    assert_eq!(names(&bench.get(urls[1]).value()), ["web"]);
    assert_eq!(bench.get(urls[2]).value()["@odata.count"], 1);
    assert_eq!(bench.get("/v1.0/applications?$filter=displayName ne 'api'").status, 400, "without the count");
    let count = bench.get("/v1.0/applications/$count");
    assert_eq!((&count.body[..], count.headers["content-type"].to_str().unwrap()), (&b"3"[..], "text/plain"));
}

#[test]
fn order_is_by_name_in_either_direction_over_pages() {
    let mut bench = with_apps(&["Beta", "alpha", "gamma"]);
    let url = "/v1.0/applications?$orderby=displayName&$top=2";
    assert_eq!(pages(&mut bench, url), [vec!["alpha", "Beta"], vec!["gamma"]]);
    assert_eq!(names(&bench.get("/v1.0/applications?$orderby=displayName desc&$top=1").value()), ["gamma"]);
}

#[test]
fn shards_by_creation_time_are_disjoint() {
    let mut bench = with_apps(&["a", "b", "c"]);
    let middle = "2026-11-21T12:00:01Z";
    let old = bench.get(&format!("/v1.0/applications?$filter=createdDateTime lt {middle}")).value();
    let new = bench.get(&format!("/v1.0/applications?$filter=createdDateTime ge {middle}")).value();
    assert_eq!((names(&old), names(&new)), (vec!["a"], vec!["b", "c"]));
}

#[test]
fn owners_are_expanded_on_request() {
    let mut bench = with_apps(&["a"]);
    let id = bench.get("/v1.0/applications").value()["value"][0]["id"].as_str().unwrap().to_owned();
    let graph = "/v1.0/servicePrincipals(appId='00000003-0000-0000-c000-000000000000')";
    let owner = bench.get(graph).value()["id"].as_str().unwrap().to_owned();
    let link = json!({ "@odata.id": format!("https://graph.microsoft.com/v1.0/directoryObjects/{owner}") });
    let refs = format!("/v1.0/applications/{id}/owners/$ref");
    assert_eq!(bench.post(&refs, link.clone()).status, 204);
    assert_eq!(bench.post(&refs, link).status, 400, "twice");
    let page = bench.get("/v1.0/applications?$expand=owners($select=id)").value();
    assert_eq!(page["value"][0]["owners"][0]["id"], owner);
    assert_eq!(page["value"][0]["owners"][0].get("displayName"), None);
    assert_eq!(bench.delete(&format!("/v1.0/applications/{id}/owners/{owner}/$ref")).status, 204);
    assert_eq!(bench.get(&format!("/v1.0/applications/{id}/owners")).value()["value"], json!([]));
}

fn scale_of(applications: u32) -> Scale {
    let fleet = Fleet { seed: 3, vaults: 1000, certificates: 100, at: NOW.unix_timestamp() };
    Scale { seed: 3, applications, service_principals: applications, now: NOW, fleet, graph: None }
}

#[test]
fn a_tenant_of_a_million_is_listed_filtered_and_written_without_being_held() {
    let mut bench = Bench::new();
    bench.world.directory.scale(scale_of(1_000_000));
    let page = bench.get("/v1.0/applications?$top=999&$select=id,appId,displayName,keyCredentials").value();
    assert_eq!(page["value"].as_array().unwrap().len(), 999);
    assert!(page["@odata.nextLink"].is_string());

    let shard = "$filter=createdDateTime ge 2026-11-20T00:00:00Z and createdDateTime lt 2026-11-21T00:00:00Z&$top=999";
    let shard = bench.get(&format!("/v1.0/applications?{shard}")).value();
    assert_eq!(shard["value"].as_array().unwrap().len(), 342, "a day of eight years");
    let last = shard["value"][341].clone();
    let url = format!("/v1.0/applications/{}", last["id"].as_str().unwrap());
    assert_eq!(bench.get(&url).value()["appId"], last["appId"]);
    assert_eq!(bench.patch(&url, json!({ "displayName": "renamed" })).status, 204);
    let by_app_id = format!("/v1.0/applications?$filter=appId eq '{}'", last["appId"].as_str().unwrap());
    assert_eq!(names(&bench.get(&by_app_id).value()), ["renamed"]);
    assert_eq!(bench.delete(&url).status, 204);
    assert_eq!(bench.get(&by_app_id).value()["value"], json!([]));
    let prefixed = bench.get("/v1.0/applications?$filter=startswith(displayName,'Billing-000')&$top=5").value();
    assert!(names(&prefixed).iter().all(|name| name.starts_with("billing-000")));
    assert_eq!(names(&prefixed).len(), 5);
    assert_eq!(bench.get("/v1.0/applications?$filter=startswith(displayName,'none')").value()["value"], json!([]));
    bench.with_header("consistencylevel", "eventual");
    assert_eq!(&bench.get("/v1.0/applications/$count").body[..], b"999999");
}

#[test]
fn reads_of_certificates_have_a_budget_of_their_own() {
    let mut bench = with_apps(&["a"]);
    bench.world.settings.budgets = true;
    let url = "/v1.0/applications?$select=id,keyCredentials";
    assert!((0..150).all(|_| bench.get(url).status == 200));
    let refused = bench.get(url);
    assert_eq!(refusal(&refused), (429, "TooManyRequests".into()));
    assert_eq!(bench.get("/v1.0/applications?$select=id").status, 200);
    let wait: i64 = refused.headers["retry-after"].to_str().unwrap().parse().unwrap();
    bench.world.clock.advance(Duration::seconds(wait));
    assert_eq!(bench.get(url).status, 200);
}

#[test]
fn pages_may_repeat_an_object_or_come_in_another_order_and_hold_all_of_them() {
    let all = ["a1", "a2", "a3", "a4", "a5", "a6", "a7"];
    let mut bench = with_apps(&all);
    bench.world.settings.duplicates = 100;
    for url in ["/v1.0/applications?$top=3", "/v1.0/applications?$top=3&$orderby=displayName"] {
        assert_eq!(pages(&mut bench, url)[1][0], "a3", "{url}");
    }
    bench.world.settings.shuffle_pages = true;
    let mut found = pages(&mut bench, "/v1.0/applications?$top=3").concat();
    assert_ne!(found, [&all[..3], &all[2..5], &all[4..]].concat());
    found.sort();
    found.dedup();
    assert_eq!(found, all);
    bench.world.settings.page_size = 1;
    assert_eq!(pages(&mut bench, "/v1.0/applications").len(), 7, "a page of one is not repeated");
}

#[test]
fn a_link_that_the_service_has_lost_is_an_error_and_the_list_can_begin_anew() {
    let mut bench = with_apps(&["a", "b"]);
    bench.world.settings.lost_page_tokens = 100;
    let link = bench.get("/v1.0/applications?$top=1").value()["@odata.nextLink"].as_str().unwrap().to_owned();
    assert_eq!(refusal(&bench.get(&link)), (400, "DirectoryPageTokenNotFoundException".into()));
    bench.world.settings.lost_page_tokens = 0;
    assert_eq!(pages(&mut bench, "/v1.0/applications?$top=1").concat(), ["a", "b"]);
}

#[test]
fn a_made_up_tenant_joins_its_vaults_and_shows_the_bytes_where_they_are_asked_for() {
    let mut bench = Bench::new();
    bench.world.directory.scale(scale_of(10_000));
    let url = "/v1.0/applications?$top=999&$select=id,keyCredentials";
    let hidden = bench.get(url).value();
    assert!(
        hidden["value"]
            .as_array()
            .unwrap()
            .iter()
            .all(|app| { app["keyCredentials"].as_array().unwrap().iter().all(|key| key["key"].is_null()) })
    );
    bench.world.settings.keys_in_lists = true;
    let page = bench.get(url).value();
    let keys: Vec<_> =
        page["value"].as_array().unwrap().iter().flat_map(|app| app["keyCredentials"].as_array().unwrap()).collect();
    assert!(keys.len() > 400, "{}", keys.len());
    let right = keys.iter().filter(|key| {
        let der =
            base64::Engine::decode(&base64::engine::general_purpose::STANDARD, key["key"].as_str().unwrap()).unwrap();
        key["customKeyIdentifier"] == json!(crate::domain::Thumbprint::sha1(&der).hex())
    });
    assert!(right.count() >= keys.len() - 3);
}

#[test]
fn roles_consents_and_activities_of_a_made_up_tenant_come_in_pages() {
    let mut bench = Bench::new();
    bench.world.directory.scale(scale_of(3000));
    bench.acting_as(super::bench::app(uuid::Uuid::from_u128(1), &["Directory.Read.All", "AuditLog.Read.All"]));
    let graph = "/v1.0/servicePrincipals(appId='00000003-0000-0000-c000-000000000000')";
    let resource = bench.get(graph).value()["id"].as_str().unwrap().to_owned();
    let mut rows = |url: &str| {
        let (mut next, mut rows, mut count) = (Some(url.to_owned()), Vec::new(), 0);
        while let Some(url) = next {
            let page = bench.get(&url).value();
            assert!(page["value"].as_array().unwrap().len() <= 999);
            rows.extend(page["value"].as_array().unwrap().iter().map(|row| row["id"].as_str().unwrap().to_owned()));
            next = page["@odata.nextLink"].as_str().map(str::to_owned);
            count += 1;
        }
        let all = rows.len();
        rows.sort();
        rows.dedup();
        assert_eq!(rows.len(), all, "{url}: nothing comes twice");
        (all, count)
    };
    assert_eq!(rows(&format!("/v1.0/servicePrincipals/{resource}/appRoleAssignedTo?$top=999")), (6000, 7));
    let (grants, pages) = rows("/v1.0/oauth2PermissionGrants?$top=999");
    assert!((800..1200).contains(&grants) && pages <= 2, "{grants} in {pages}");
    let [for_all, for_one] = ["AllPrincipals", "Principal"]
        .map(|kind| rows(&format!("/v1.0/oauth2PermissionGrants?$filter=consentType eq '{kind}'&$top=999")).0);
    assert!(for_all > 400 && for_one > 400, "{for_all} and {for_one}");
    assert_eq!(for_all + for_one, grants);
    let (activities, pages) = rows("/beta/reports/appCredentialSignInActivities?$top=999");
    assert!(activities > 1000 && pages == activities.div_ceil(999), "{activities} in {pages}");
    let (clients, _) = rows("/beta/reports/servicePrincipalSignInActivities?$top=999");
    assert!(clients > 1000 && clients <= activities);
}

#[test]
fn a_day_in_a_large_tenant_shows_in_a_delta_query() {
    let mut bench = Bench::new();
    bench.world.directory.scale(scale_of(20_000));
    let latest = bench.get("/v1.0/applications/delta?$deltatoken=latest").value();
    let link = latest["@odata.deltaLink"].as_str().unwrap().to_owned();
    let changed = bench.world.directory.churn(1.0, NOW) as usize;
    assert!((150..250).contains(&changed), "{changed}");
    assert_eq!(pages(&mut bench, &link).concat().len(), changed);
}
