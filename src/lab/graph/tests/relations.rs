use serde_json::{Value, json};
use time::Duration;
use uuid::{Uuid, uuid};

use super::bench::{Bench, app, refusal};

fn created(bench: &mut Bench, name: &str) -> (String, Value) {
    let application = bench.post("/v1.0/applications", json!({ "displayName": name })).value();
    (format!("/v1.0/applications/{}", application["id"].as_str().unwrap()), application)
}

fn principal_of(bench: &mut Bench, application: &Value) -> (String, Value) {
    let principal = bench.post("/v1.0/servicePrincipals", json!({ "appId": application["appId"] })).value();
    (format!("/v1.0/servicePrincipals/{}", principal["id"].as_str().unwrap()), principal)
}

#[test]
fn a_deleted_application_waits_with_its_service_principal_and_both_come_back() {
    let mut bench = Bench::new();
    let (url, application) = created(&mut bench, "a");
    let (principal_url, _) = principal_of(&mut bench, &application);
    bench.delete(&url);
    assert_eq!(bench.get(&principal_url).status, 404);
    let id = application["id"].as_str().unwrap();
    let listed = bench.get("/v1.0/directory/deletedItems/microsoft.graph.application").value();
    assert_eq!(
        (&listed["value"][0]["id"], &listed["value"][0]["deletedDateTime"]),
        (&json!(id), &json!("2026-11-21T12:00:00Z"))
    );
    let deleted = format!("/v1.0/directory/deletedItems/{id}");
    assert_eq!(bench.post(&format!("{deleted}/restore"), json!({})).status, 200);
    assert_eq!((bench.get(&url).status.as_u16(), bench.get(&principal_url).status.as_u16()), (200, 200));
    bench.delete(&url);
    assert_eq!(bench.delete(&deleted).status, 204);
    assert_eq!(bench.delete(&deleted).status, 404);
    assert_eq!(bench.post(&format!("{deleted}/restore"), json!({})).status, 404);

    let (url, application) = created(&mut bench, "b");
    bench.delete(&url);
    bench.world.clock.advance(Duration::days(30));
    assert_eq!(bench.get(&format!("/v1.0/directory/deletedItems/{}", application["id"].as_str().unwrap())).status, 404);
}

#[test]
fn federated_credentials_have_names_and_a_limit() {
    let mut bench = Bench::new();
    let (url, _) = created(&mut bench, "a");
    let all = format!("{url}/federatedIdentityCredentials");
    let body = |name: &str| json!({ "name": name, "issuer": "https://token.example", "subject": name, "audiences": ["api://AzureADTokenExchange"] });
    let first = bench.post(&all, body("first"));
    assert_eq!(first.status, 201);
    let id = first.value()["id"].as_str().unwrap().to_owned();
    for by in [format!("{all}/{id}"), format!("{all}/first"), format!("{all}(name='first')")] {
        assert_eq!(bench.get(&by).value()["id"], id, "{by}");
    }
    assert_eq!(bench.post(&all, body("first")).status, 409);
    assert_eq!(bench.patch(&format!("{all}/{id}"), json!({ "subject": "other" })).status, 204);
    assert_eq!(bench.patch(&format!("{all}/{id}"), json!({ "name": "other" })).status, 400);
    let mut two = body("two");
    two["audiences"] = json!(["a", "b"]);
    assert_eq!(bench.post(&all, two).status, 400);
    for n in 1..20 {
        assert_eq!(bench.post(&all, body(&format!("n{n}"))).status, 201);
    }
    assert_eq!(bench.post(&all, body("one-too-many")).status, 400);
    assert_eq!(bench.delete(&format!("{all}/{id}")).status, 204);
    assert_eq!(bench.get(&format!("{all}/{id}")).status, 404);
}

#[test]
fn a_grant_is_named_by_what_it_connects() {
    let mut bench = Bench::new();
    bench.acting_as(app(Uuid::from_u128(1), &["Application.ReadWrite.All", "DelegatedPermissionGrant.ReadWrite.All"]));
    let (_, application) = created(&mut bench, "a");
    let (url, client) = principal_of(&mut bench, &application);
    let graph = "/v1.0/servicePrincipals(appId='00000003-0000-0000-c000-000000000000')";
    let resource = bench.get(graph).value()["id"].clone();
    let body = json!({ "clientId": client["id"], "consentType": "AllPrincipals", "principalId": null, "resourceId": resource, "scope": "User.Read" });
    let grant = bench.post("/v1.0/oauth2PermissionGrants", body.clone());
    assert_eq!(grant.status, 201);
    let id = grant.value()["id"].as_str().unwrap().to_owned();
    assert_eq!(id.len(), 43);
    assert_eq!(bench.post("/v1.0/oauth2PermissionGrants", body).status, 409);
    assert_eq!(bench.get(&format!("{url}/oauth2PermissionGrants")).value()["value"][0]["id"], id);
    assert_eq!(bench.patch(&format!("/v1.0/oauth2PermissionGrants/{id}"), json!({ "scope": "A B" })).status, 204);
    let filter = format!("/v1.0/oauth2PermissionGrants?$filter=clientId eq '{}'", client["id"].as_str().unwrap());
    assert_eq!(bench.get(&filter).value()["value"][0]["scope"], "A B");
    assert_eq!(bench.delete(&format!("/v1.0/oAuth2PermissionGrants/{id}")).status, 204);
}

#[test]
fn a_grant_that_was_changed_or_revoked_shows_in_a_delta_query() {
    let mut bench = Bench::new();
    bench.acting_as(app(Uuid::from_u128(1), &["Application.ReadWrite.All", "DelegatedPermissionGrant.ReadWrite.All"]));
    let graph = "/v1.0/servicePrincipals(appId='00000003-0000-0000-c000-000000000000')";
    let resource = bench.get(graph).value()["id"].clone();
    let mut granted = |name: &str| {
        let (_, application) = created(&mut bench, name);
        let (_, client) = principal_of(&mut bench, &application);
        let body = json!({ "clientId": client["id"], "consentType": "AllPrincipals", "resourceId": resource, "scope": "User.Read" });
        bench.post("/v1.0/oauth2PermissionGrants", body).value()["id"].as_str().unwrap().to_owned()
    };
    let (changed, revoked, kept) = (granted("a"), granted("b"), granted("c"));
    let round = bench.get("/v1.0/oauth2PermissionGrants/delta").value();
    let known: Vec<_> = round["value"].as_array().unwrap().iter().map(|grant| grant["id"].clone()).collect();
    assert!([&changed, &revoked, &kept].iter().all(|id| known.contains(&json!(id))));
    let link = round["@odata.deltaLink"].as_str().unwrap().to_owned();
    assert_eq!(bench.get(&link).value()["value"], json!([]));

    bench.patch(&format!("/v1.0/oauth2PermissionGrants/{changed}"), json!({ "scope": "A B" }));
    bench.delete(&format!("/v1.0/oauth2PermissionGrants/{revoked}"));
    let round = bench.get(&link).value();
    assert_eq!(round["value"].as_array().unwrap().len(), 2);
    assert_eq!((&round["value"][0]["id"], &round["value"][0]["scope"]), (&json!(changed), &json!("A B")));
    assert_eq!(round["value"][1], json!({ "id": revoked, "@removed": { "reason": "deleted" } }));
    assert_eq!(bench.get("/v1.0/oauth2PermissionGrants/delta?$top=5").status, 400);
    let filtered = bench.get("/v1.0/oauth2PermissionGrants?$filter=consentType eq 'Principal'").value();
    assert_eq!(filtered["value"], json!([]));

    let count = "/v1.0/oauth2PermissionGrants/$count";
    assert_eq!(bench.get(count).status, 400, "only the index counts");
    bench.with_header("consistencylevel", "eventual");
    let number = |reply: &crate::lab::exchange::Reply| String::from_utf8(reply.body.to_vec()).unwrap();
    let all: usize = number(&bench.get(count)).parse().unwrap();
    assert!(all >= 2);
    let for_all = bench.get(&format!("{count}?$filter=consentType eq 'AllPrincipals'"));
    assert_eq!(number(&for_all), all.to_string());
    assert_eq!(number(&bench.get(&format!("{count}?$filter=consentType eq 'Principal'"))), "0");
}

#[test]
fn a_role_is_granted_once_seen_from_both_ends_and_taken_away() {
    let mut bench = Bench::new();
    let (_, application) = created(&mut bench, "a");
    let (url, principal) = principal_of(&mut bench, &application);
    let graph = "/v1.0/servicePrincipals(appId='00000003-0000-0000-c000-000000000000')";
    let resource = bench.get(graph).value()["id"].clone();
    let body = json!({
        "principalId": principal["id"], "resourceId": resource, "appRoleId": "9a5d68dd-52b0-4cc2-bd40-abcf44ac3a30",
    });
    let all = format!("{url}/appRoleAssignments");
    assert_eq!(bench.post(&all, body.clone()).status, 403, "writing applications is not enough");
    let roles = ["Application.ReadWrite.All", "AppRoleAssignment.ReadWrite.All"];
    bench.acting_as(app(Uuid::from_u128(1), &roles));
    let assigned = bench.post(&all, body.clone());
    assert_eq!((assigned.status.as_u16(), &assigned.value()["resourceDisplayName"]), (201, &json!("Microsoft Graph")));
    assert_eq!(bench.post(&all, body.clone()).status, 400);
    let mut unknown = body;
    unknown["appRoleId"] = json!(Uuid::from_u128(3));
    assert_eq!(bench.post(&all, unknown).status, 400);
    let seen = bench.get(&format!("{graph}/appRoleAssignedTo")).value();
    assert_eq!(seen["value"][0]["principalId"], principal["id"]);
    let held =
        &bench.world.directory.service_principal_by_app_id(principal["appId"].as_str().unwrap().parse().unwrap());
    assert_eq!(held.as_ref().unwrap().roles[0].value, "Application.Read.All");
    let id = assigned.value()["id"].as_str().unwrap().to_owned();
    assert_eq!(bench.delete(&format!("{all}/{id}")).status, 204);
    assert_eq!(bench.get(&all).value()["value"], json!([]));
}

#[test]
fn a_batch_answers_each_request_by_itself() {
    let mut bench = Bench::new();
    let (url, application) = created(&mut bench, "a");
    let relative = url.strip_prefix("/v1.0").unwrap();
    let reply = bench.post(
        "/v1.0/$batch",
        json!({ "requests": [
            { "id": "1", "method": "GET", "url": relative },
            { "id": "2", "method": "GET", "url": "/applications?$filter=displayName eq 'a'&$select=id" },
            { "id": "3", "method": "PATCH", "url": relative, "body": { "notes": "x" }, "headers": { "Content-Type": "application/json" } },
            { "id": "4", "method": "GET", "url": "/applications/nonsense" },
            { "id": "5", "method": "GET", "url": relative, "dependsOn": ["4"] },
        ] }),
    );
    assert_eq!(reply.status, 200);
    let responses = reply.value()["responses"].clone();
    let statuses: Vec<_> =
        responses.as_array().unwrap().iter().map(|response| response["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [200, 200, 204, 404, 424]);
    assert_eq!(responses[1]["body"]["value"][0]["id"], application["id"]);
    let many: Vec<_> = (0..21).map(|n| json!({ "id": n.to_string(), "method": "GET", "url": relative })).collect();
    assert_eq!(bench.post("/v1.0/$batch", json!({ "requests": many })).status, 400);
}

#[test]
fn a_delta_round_gives_all_and_the_next_one_what_changed() {
    let mut bench = Bench::new();
    let (changed, _) = created(&mut bench, "changed");
    let (removed, gone) = created(&mut bench, "removed");
    created(&mut bench, "same");
    bench.world.settings.page_size = 2;
    let first = bench.get("/v1.0/applications/delta?$select=displayName").value();
    assert_eq!(first["value"].as_array().unwrap().len(), 2);
    let second = bench.get(first["@odata.nextLink"].as_str().unwrap()).value();
    assert_eq!(second["value"][0]["displayName"], "same");
    let link = second["@odata.deltaLink"].as_str().unwrap().to_owned();
    assert_eq!(bench.get(&link).value()["value"], json!([]));
    bench.patch(&changed, json!({ "notes": "x" }));
    bench.delete(&removed);
    let third = bench.get(&link).value();
    assert_eq!(third["value"][0]["displayName"], "changed");
    assert_eq!(third["value"][1], json!({ "id": gone["id"], "@removed": { "reason": "changed" } }));
    bench.delete(&format!("/v1.0/directory/deletedItems/{}", gone["id"].as_str().unwrap()));
    let link = third["@odata.deltaLink"].as_str().unwrap().to_owned();
    assert_eq!(bench.get(&link).value()["value"][0]["@removed"]["reason"], "deleted");
    let latest = bench.get("/v1.0/applications/delta?$deltatoken=latest").value();
    assert_eq!(latest["value"], json!([]));
    bench.world.clock.advance(Duration::days(8));
    assert_eq!(bench.get(&link).status, 410);
}

fn restrict(bench: &mut Bench, body: Value) {
    let before = bench.caller.clone();
    bench.acting_as(app(Uuid::from_u128(2), &["Policy.ReadWrite.ApplicationConfiguration"]));
    assert_eq!(bench.patch("/v1.0/policies/defaultAppManagementPolicy", body).status, 204);
    bench.acting_as(before);
}

#[test]
fn the_tenants_policy_limits_what_is_added_and_leaves_what_is_there() {
    let mut bench = Bench::new();
    let (url, _) = created(&mut bench, "a");
    let add = format!("{url}/addPassword");
    assert_eq!(bench.post(&add, json!({})).status, 200);
    let lifetime = json!({ "restrictionType": "passwordLifetime", "maxLifetime": "P90D", "state": "enabled" });
    restrict(
        &mut bench,
        json!({ "isEnabled": true, "applicationRestrictions": { "passwordCredentials": [lifetime] } }),
    );
    let refused = bench.post(&add, json!({}));
    assert_eq!(refusal(&refused), (400, "CredentialInvalidLifetimeAsPerAppPolicy".into()));
    assert_eq!(refused.value()["error"]["details"][0]["target"], "EndDate");
    let short = json!({ "passwordCredential": { "endDateTime": "2027-02-19T12:00:00Z" } });
    assert_eq!(bench.post(&add, short).status, 200);
    assert_eq!(bench.patch(&url, json!({ "notes": "the long one stays" })).status, 204);

    let addition = json!({
        "restrictionType": "passwordAddition", "state": "enabled",
        "restrictForAppsCreatedAfterDateTime": "2026-11-21T13:00:00Z",
    });
    restrict(&mut bench, json!({ "applicationRestrictions": { "passwordCredentials": [addition] } }));
    assert_eq!(bench.post(&add, json!({})).status, 200, "the application is older than the restriction");
    bench.world.clock.advance(Duration::hours(2));
    let (newer, _) = created(&mut bench, "b");
    let refused = bench.post(&format!("{newer}/addPassword"), json!({}));
    assert_eq!(refusal(&refused), (400, "CredentialTypeNotAllowedAsPerAppPolicy".into()));
}

#[test]
fn a_custom_policy_overrides_the_default_for_whom_it_applies_to() {
    let mut bench = Bench::new();
    let (url, application) = created(&mut bench, "a");
    let addition = json!({ "restrictionType": "passwordAddition", "state": "enabled" });
    restrict(
        &mut bench,
        json!({ "isEnabled": true, "applicationRestrictions": { "passwordCredentials": [addition] } }),
    );
    assert_eq!(bench.post(&format!("{url}/addPassword"), json!({})).status, 400);
    let operator = bench.caller.clone();
    bench.acting_as(app(Uuid::from_u128(2), &["Policy.ReadWrite.ApplicationConfiguration"]));
    let policy =
        bench.post("/v1.0/policies/appManagementPolicies", json!({ "displayName": "p", "isEnabled": true })).value();
    let id = policy["id"].as_str().unwrap().to_owned();
    let link = json!({ "@odata.id": format!("https://graph.microsoft.com/v1.0/policies/appManagementPolicies/{id}") });
    assert_eq!(bench.post(&format!("{url}/appManagementPolicies/$ref"), link.clone()).status, 204);
    assert_eq!(bench.post(&format!("{url}/appManagementPolicies/$ref"), link).status, 400, "one at most");
    let applies = bench.get(&format!("/v1.0/policies/appManagementPolicies/{id}/appliesTo")).value();
    assert_eq!(applies["value"][0]["id"], application["id"]);
    bench.acting_as(operator);
    assert_eq!(bench.post(&format!("{url}/addPassword"), json!({})).status, 200);
    assert_eq!(bench.get("/v1.0/policies/defaultAppManagementPolicy").status, 403);
}

#[test]
fn a_locked_service_principal_takes_no_credentials() {
    let mut bench = Bench::new();
    let lock = json!({ "isEnabled": true, "allProperties": true });
    let body = json!({ "displayName": "a", "signInAudience": "AzureADMultipleOrgs", "servicePrincipalLockConfiguration": lock });
    let application = bench.post("/v1.0/applications", body).value();
    let (url, _) = principal_of(&mut bench, &application);
    let refused = bench.post(&format!("{url}/addPassword"), json!({}));
    assert_eq!(refusal(&refused), (400, "CannotUpdateLockedServicePrincipalProperty".into()));
    let application = format!("/v1.0/applications/{}", application["id"].as_str().unwrap());
    assert_eq!(bench.post(&format!("{application}/addPassword"), json!({})).status, 200, "the application itself");
}

#[test]
fn last_use_is_reported_per_credential_in_beta_only() {
    let mut bench = Bench::new();
    let (url, application) = created(&mut bench, "a");
    let used = bench.post(&format!("{url}/addPassword"), json!({})).value();
    bench.post(&format!("{url}/addPassword"), json!({}));
    let key_id: Uuid = used["keyId"].as_str().unwrap().parse().unwrap();
    let now = bench.world.now();
    bench.world.directory.record_sign_in(key_id, Some(uuid!("00000003-0000-0000-c000-000000000000")), now);
    let report = "/reports/appCredentialSignInActivities";
    assert_eq!(bench.get(&format!("/beta{report}")).status, 403);
    bench.acting_as(app(Uuid::from_u128(2), &["AuditLog.Read.All"]));
    let page = bench.get(&format!("/beta{report}")).value();
    assert_eq!(page["value"].as_array().unwrap().len(), 1);
    let activity = &page["value"][0];
    assert_eq!((&activity["keyId"], &activity["appId"]), (&used["keyId"], &application["appId"]));
    assert_eq!(activity["signInActivity"]["lastSignInDateTime"], "2026-11-21T12:00:00Z");
    assert_eq!(bench.get(&format!("/v1.0{report}")).status, 400);
}

#[test]
fn what_the_lab_does_not_imitate_it_says() {
    let mut bench = Bench::new();
    assert_eq!(bench.get("/v1.0/devices").status, 501);
    bench.acting_as(app(Uuid::from_u128(1), &["Directory.Read.All"]));
    assert_eq!(bench.get("/v1.0/organization").value()["value"][0]["id"], json!(bench.world.tenant));
    assert_eq!(bench.get("/v1.0/domains").value()["value"][0]["isDefault"], true);
}
