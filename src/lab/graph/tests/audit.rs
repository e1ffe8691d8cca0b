//! What only an audit reads, and the permission that each of it needs.

use serde_json::json;
use time::Duration;
use uuid::Uuid;

use super::bench::{Bench, app, refusal};
use crate::lab::directory::{DirectoryRole, Group, RoleAssignment, ServicePrincipal, User, View};
use crate::lab::world::Licence;

fn reading_as(bench: &mut Bench, permission: &str) {
    bench.acting_as(app(Uuid::from_u128(77), &[permission]));
}

#[test]
fn each_endpoint_asks_for_its_own_permission() {
    let mut bench = Bench::new();
    for (url, permission, neighbour) in [
        ("/v1.0/organization", "Organization.Read.All", "Application.Read.All"),
        ("/v1.0/users", "User.Read.All", "Application.Read.All"),
        ("/v1.0/groups", "GroupMember.Read.All", "User.Read.All"),
        ("/v1.0/oauth2PermissionGrants", "Directory.Read.All", "Application.Read.All"),
        ("/v1.0/policies/authorizationPolicy", "Policy.Read.All", "Directory.Read.All"),
        ("/v1.0/policies/appManagementPolicies", "Policy.Read.All", "Application.Read.All"),
        ("/v1.0/roleManagement/directory/roleAssignments", "RoleManagement.Read.Directory", "Application.Read.All"),
        (
            "/v1.0/roleManagement/directory/roleEligibilityScheduleInstances",
            "RoleManagement.Read.Directory",
            "Directory.Read.All",
        ),
        ("/beta/reports/appCredentialSignInActivities", "AuditLog.Read.All", "Directory.Read.All"),
        ("/beta/reports/servicePrincipalSignInActivities", "AuditLog.Read.All", "Application.Read.All"),
        ("/v1.0/directory/deletedItems/microsoft.graph.application", "Application.Read.All", "User.Read.All"),
    ] {
        reading_as(&mut bench, permission);
        assert_eq!(bench.get(url).status, 200, "{url}");
        reading_as(&mut bench, neighbour);
        assert_eq!(refusal(&bench.get(url)), (403, "Authorization_RequestDenied".into()), "{url}");
    }
}

#[test]
fn a_tenant_without_a_licence_has_no_reports_and_no_eligible_roles() {
    let mut bench = Bench::new();
    bench.world.settings.licence = Licence::P1;
    reading_as(&mut bench, "AuditLog.Read.All");
    assert_eq!(bench.get("/beta/reports/appCredentialSignInActivities").status, 200);
    assert_eq!(bench.get("/v1.0/reports/appCredentialSignInActivities").status, 400, "beta alone has it");
    bench.world.settings.licence = Licence::Free;
    for report in ["appCredentialSignInActivities", "servicePrincipalSignInActivities"] {
        let refused = bench.get(&format!("/beta/reports/{report}"));
        assert_eq!(refusal(&refused), (403, "Authentication_RequestFromNonPremiumTenantOrB2CTenant".into()));
    }
    reading_as(&mut bench, "RoleManagement.Read.Directory");
    let refused = bench.get("/v1.0/roleManagement/directory/roleEligibilityScheduleInstances");
    assert_eq!(refusal(&refused), (400, "AadPremiumLicenseRequired".into()));
    assert_eq!(bench.get("/v1.0/roleManagement/directory/roleAssignments").status, 200);
}

#[test]
fn the_kind_of_an_owner_shows_to_those_who_may_read_people() {
    let mut bench = Bench::new();
    let guest = User { is_guest: true, is_disabled: true, ..User::member(Uuid::from_u128(5), "G", "g@else.example") };
    bench.world.directory.users.insert(guest.id, guest.clone());
    let created = bench.post("/v1.0/applications", json!({ "displayName": "a" })).value();
    let url = format!("/v1.0/applications/{}", created["id"].as_str().unwrap());
    let link = json!({ "@odata.id": format!("https://localhost:8443/v1.0/directoryObjects/{}", guest.id) });
    assert_eq!(bench.post(&format!("{url}/owners/$ref"), link).status, 204);

    let list = "/v1.0/applications?$expand=owners($select=id,userType,accountEnabled)";
    let hidden = bench.get(list).value()["value"][0]["owners"][0].clone();
    assert_eq!((&hidden["id"], &hidden["userType"]), (&json!(guest.id), &json!(null)));
    bench.acting_as(app(Uuid::from_u128(1), &["Application.Read.All", "User.Read.All"]));
    let shown = bench.get(list).value()["value"][0]["owners"][0].clone();
    assert_eq!((&shown["userType"], &shown["accountEnabled"]), (&json!("Guest"), &json!(false)));
    assert_eq!(shown["@odata.type"], "#microsoft.graph.user");
    let unselected = bench.get(&format!("{url}/owners")).value()["value"][0].clone();
    assert_eq!((&unselected["displayName"], unselected.get("userType")), (&json!("G"), None));
    let selected = bench.get(&format!("{url}/owners?$select=userType")).value()["value"][0].clone();
    assert_eq!(selected["userType"], "Guest");
}

#[test]
fn an_expansion_ends_at_twenty_owners_and_the_relation_does_not() {
    let mut bench = Bench::new();
    let created = bench.post("/v1.0/applications", json!({ "displayName": "a" })).value();
    let url = format!("/v1.0/applications/{}", created["id"].as_str().unwrap());
    for n in 0..21 {
        let user = User::member(Uuid::from_u128(100 + n), "U", "u@contoso.com");
        bench.world.directory.users.insert(user.id, user.clone());
        let link = json!({ "@odata.id": format!("https://localhost:8443/v1.0/directoryObjects/{}", user.id) });
        assert_eq!(bench.post(&format!("{url}/owners/$ref"), link).status, 204);
    }
    let owners = |page: serde_json::Value| page.as_array().unwrap().len();
    assert_eq!(owners(bench.get(&format!("{url}?$expand=owners")).value()["owners"].clone()), 20);
    assert_eq!(owners(bench.get(&format!("{url}/owners?$top=999")).value()["value"].clone()), 21);
}

#[test]
fn what_service_principals_hold_comes_with_them_up_to_twenty() {
    let mut bench = Bench::new();
    let created = bench.post("/v1.0/applications", json!({ "displayName": "a" })).value();
    let holder = bench.post("/v1.0/servicePrincipals", json!({ "appId": created["appId"] })).value();
    let id: Uuid = holder["id"].as_str().unwrap().parse().unwrap();
    let mut principal =
        bench.world.directory.find::<ServicePrincipal>(id, View::Current).map(std::borrow::Cow::into_owned).unwrap();
    principal.roles = (0..21_u128)
        .map(|number| RoleAssignment {
            id: format!("assignment-{number}"),
            resource: Uuid::from_u128(7),
            role_id: Uuid::from_u128(number),
            value: "x".to_owned(),
            created_at: bench.world.now(),
        })
        .collect();
    let now = bench.world.now();
    bench.world.directory.put(principal, now);
    reading_as(&mut bench, "Application.Read.All");
    let list = "/v1.0/servicePrincipals?$select=id&$expand=appRoleAssignments($select=appRoleId,principalId)";
    let page = bench.get(list).value();
    let row = page["value"].as_array().unwrap().iter().find(|row| row["id"] == holder["id"]).unwrap().clone();
    let held = row["appRoleAssignments"].as_array().unwrap();
    assert_eq!((held.len(), &held[0]["principalId"]), (20, &holder["id"]));
    assert_eq!(held[0].as_object().unwrap().len(), 2, "only what was selected");
    let all = bench.get(&format!("/v1.0/servicePrincipals/{id}/appRoleAssignments?$top=999")).value();
    assert_eq!(all["value"].as_array().unwrap().len(), 21);
    assert_eq!(bench.get("/v1.0/applications?$expand=appRoleAssignments").status, 400);
}

#[test]
fn applications_with_federated_credentials_are_found_by_an_advanced_query() {
    let mut bench = Bench::new();
    let mut ids = Vec::new();
    for name in ["with", "without"] {
        let created = bench.post("/v1.0/applications", json!({ "displayName": name })).value();
        ids.push(created["id"].as_str().unwrap().to_owned());
    }
    let credential = json!({ "name": "n", "issuer": "https://i.example", "subject": "s", "audiences": ["a"] });
    assert_eq!(
        bench.post(&format!("/v1.0/applications/{}/federatedIdentityCredentials", ids[0]), credential).status,
        201
    );
    let url = "/v1.0/applications?$filter=federatedIdentityCredentials/$count ne 0&$count=true&$select=id&$top=999";
    assert_eq!(refusal(&bench.get(url)), (400, "Request_UnsupportedQuery".into()));
    bench.with_header("consistencylevel", "eventual");
    let found = bench.get(url).value();
    assert_eq!((&found["@odata.count"], &found["value"]), (&json!(1), &json!([{ "id": ids[0] }])));
}

#[test]
fn a_group_shows_whom_it_holds_by_way_of_others() {
    let mut bench = Bench::new();
    let [outer, inner, person] = [1, 2, 3].map(Uuid::from_u128);
    bench.world.directory.users.insert(person, User::member(person, "P", "p@contoso.com"));
    for (id, member) in [(outer, inner), (inner, person)] {
        let group = Group { id, display_name: "g".to_owned(), members: [member].into() };
        bench.world.directory.groups.insert(id, group);
    }
    reading_as(&mut bench, "GroupMember.Read.All");
    let ids = |page: serde_json::Value| -> Vec<String> {
        page["value"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids(bench.get(&format!("/v1.0/groups/{outer}/members")).value()), [inner.to_string()]);
    let all = ids(bench.get(&format!("/v1.0/groups/{outer}/transitiveMembers?$select=id")).value());
    assert_eq!(all, [inner.to_string(), person.to_string()]);
    assert_eq!(bench.get(&format!("/v1.0/groups/{person}/members")).status, 404);
}

#[test]
fn directory_roles_are_held_or_may_be_activated() {
    let mut bench = Bench::new();
    let definition = uuid::uuid!("62e90394-69f5-4237-9190-012177145e10");
    for (n, is_eligible) in [(1, false), (2, true)] {
        let principal = Uuid::from_u128(n);
        let role = DirectoryRole { id: n.to_string(), principal, definition, is_eligible };
        bench.world.directory.directory_roles.push(role);
    }
    reading_as(&mut bench, "RoleManagement.Read.Directory");
    let held = bench.get("/v1.0/roleManagement/directory/roleAssignments?$expand=roleDefinition").value();
    assert_eq!(held["value"].as_array().unwrap().len(), 1);
    assert_eq!(held["value"][0]["roleDefinition"]["displayName"], "Global Administrator");
    let eligible = bench.get("/v1.0/roleManagement/directory/roleEligibilityScheduleInstances").value();
    assert_eq!(eligible["value"][0]["principalId"], json!(Uuid::from_u128(2)));
}

#[test]
fn a_custom_policy_names_whom_it_applies_to() {
    let mut bench = Bench::new();
    let created = bench.post("/v1.0/applications", json!({ "displayName": "a" })).value();
    bench.acting_as(app(Uuid::from_u128(1), &["Policy.ReadWrite.ApplicationConfiguration", "Policy.Read.All"]));
    let policy = bench.post("/v1.0/policies/appManagementPolicies", json!({ "displayName": "p" })).value();
    let id = policy["id"].as_str().unwrap();
    let link = json!({ "@odata.id": format!("https://localhost:8443/v1.0/policies/appManagementPolicies/{id}") });
    let assigned = format!("/v1.0/applications/{}/appManagementPolicies/$ref", created["id"].as_str().unwrap());
    assert_eq!(bench.post(&assigned, link).status, 204);
    let list = bench.get("/v1.0/policies/appManagementPolicies?$expand=appliesTo").value();
    assert_eq!(list["value"][0]["appliesTo"][0]["appId"], created["appId"]);
    assert_eq!(bench.get("/v1.0/policies/appManagementPolicies").value()["value"][0].get("appliesTo"), None);
}

#[test]
fn a_delta_link_is_gone_after_a_week() {
    let mut bench = Bench::new();
    let link = bench.get("/v1.0/applications/delta?$deltatoken=latest").value()["@odata.deltaLink"].clone();
    let link = link.as_str().unwrap().to_owned();
    assert_eq!(bench.get(&link).status, 200);
    bench.world.clock.advance(Duration::days(8));
    assert_eq!(bench.get(&link).status, 410);
}
