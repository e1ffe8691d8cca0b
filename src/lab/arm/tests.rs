//! The management plane as a client sees it, without the wire.

use std::collections::BTreeSet;

use http::HeaderMap;
use uuid::Uuid;

use super::*;
use crate::lab::azure;
use crate::lab::clock::LabClock;
use crate::lab::keyvault::{VaultOptions, create_vault};

const AUDITOR: Uuid = Uuid::from_u128(11);

fn world() -> World {
    let mut world = World::new(8443, LabClock::default(), 1);
    create_vault(&mut world, "contoso-kv", VaultOptions::default());
    create_vault(&mut world, "fabrikam-kv", VaultOptions { purge_protection: true, ..VaultOptions::default() });
    azure::grant(&mut world, &json!({ "principal": AUDITOR, "role": "Reader" })).unwrap();
    world
}

fn caller(id: Uuid) -> Caller {
    let object_id = id;
    Caller {
        app_id: Uuid::from_u128(1),
        object_id,
        tenant: Uuid::nil(),
        roles: Vec::new(),
        scopes: Vec::new(),
        groups: BTreeSet::new(),
    }
}

fn request(method: Method, url: &str, body: &Value) -> Request {
    let url = url::Url::parse(&format!("https://localhost:8443{url}")).unwrap();
    Request {
        method,
        host: "localhost:8443".to_owned(),
        path: url.path_segments().unwrap().map(str::to_owned).collect(),
        query: url.query_pairs().into_owned().collect(),
        headers: HeaderMap::new(),
        body: body.to_string().into(),
    }
}

fn ask(world: &World, method: Method, url: &str, body: &Value) -> (u16, Value) {
    ask_as(world, &caller(AUDITOR), method, url, body)
}

fn ask_as(world: &World, caller: &Caller, method: Method, url: &str, body: &Value) -> (u16, Value) {
    let request = request(method, url, body);
    let names: Vec<String> = request.path.iter().map(|name| name.to_ascii_lowercase()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let reply = route(world, caller, &request, &names, Chaos::default()).unwrap_or_else(Refusal::into_reply);
    (reply.status.as_u16(), reply.value())
}

#[test]
fn nothing_but_the_endpoints_is_told_without_a_token() {
    let mut world = world();
    let told = answer(&mut world, &request(Method::GET, "/metadata/endpoints?api-version=2022-09-01", &Value::Null));
    assert_eq!(told.status, 200);
    assert_eq!(told.value()["suffixes"]["keyVaultDns"], "vault.localhost:8443");
    let refused = answer(&mut world, &request(Method::GET, "/subscriptions?api-version=2022-12-01", &Value::Null));
    assert_eq!(refused.status, 401);
    assert!(refused.headers["www-authenticate"].to_str().unwrap().contains("authorization_uri="));
}

#[test]
fn vaults_are_listed_by_subscription_and_by_type() {
    let world = world();
    let subscription = ask(&world, Method::GET, "/subscriptions?api-version=2022-12-01", &Value::Null).1;
    let id = subscription["value"][0]["subscriptionId"].as_str().unwrap().to_owned();
    let url = format!("/subscriptions/{id}/providers/Microsoft.KeyVault/vaults?api-version=2023-07-01");
    let vaults = ask(&world, Method::GET, &url, &Value::Null).1;
    assert_eq!(vaults["value"][0]["properties"]["vaultUri"], "https://contoso-kv.vault.localhost:8443/");
    assert_eq!(vaults["value"][0]["properties"].get("enablePurgeProtection"), None);
    assert_eq!(vaults["value"][1]["properties"]["enablePurgeProtection"], true);
    let one = vaults["value"][1]["id"].as_str().unwrap();
    assert_eq!(ask(&world, Method::GET, &format!("{one}?api-version=2023-07-01"), &Value::Null).1, vaults["value"][1]);
    let filter = "$filter=resourceType eq 'Microsoft.KeyVault/vaults'&$top=1&api-version=2021-04-01";
    let page = ask(&world, Method::GET, &format!("/subscriptions/{id}/resources?{filter}"), &Value::Null).1;
    assert_eq!(page["value"].as_array().unwrap().len(), 1);
    let next = page["nextLink"].as_str().unwrap().strip_prefix("https://localhost:8443").unwrap();
    assert_eq!(ask(&world, Method::GET, next, &Value::Null).1["value"][0]["name"], "fabrikam-kv");
    let other = "/subscriptions/00000000-0000-0000-0000-000000000001/resources?api-version=2021-04-01";
    assert_eq!(ask(&world, Method::GET, other, &Value::Null).0, 404);
    assert_eq!(ask(&world, Method::GET, "/subscriptions", &Value::Null).0, 400, "no api-version");
}

#[test]
fn resource_graph_answers_what_it_understands_and_nothing_else() {
    let world = world();
    let url = "/providers/Microsoft.ResourceGraph/resources?api-version=2022-10-01";
    let query = "Resources | where type =~ 'microsoft.keyvault/vaults' | project name, uri = properties.vaultUri | order by name desc";
    let (status, found) = ask(&world, Method::POST, url, &json!({ "query": query }));
    assert_eq!((status, &found["totalRecords"]), (200, &json!(2)));
    assert_eq!(found["data"][0], json!({ "name": "fabrikam-kv", "uri": "https://fabrikam-kv.vault.localhost:8443/" }));
    let body = json!({ "query": "resources|where type=='microsoft.keyvault/vaults'", "options": { "$top": 1 } });
    let first = ask(&world, Method::POST, url, &body).1;
    let body = json!({ "query": body["query"], "options": { "$top": 1, "$skipToken": first["$skipToken"] } });
    let second = ask(&world, Method::POST, url, &body).1;
    assert_eq!((&second["data"][0]["name"], second.get("$skipToken")), (&json!("fabrikam-kv"), None));
    for query in ["", "Secrets", "Resources | where type =~ 'microsoft.keyvault/vaults' | join x"] {
        let (status, refused) = ask(&world, Method::POST, url, &json!({ "query": query }));
        assert_eq!((status, &refused["error"]["code"]), (400, &json!("BadRequest")), "{query}");
    }
}

/// Rows of a query of Resource Graph.
fn rows(world: &World, caller: &Caller, query: &str, options: &Value) -> (u16, Value) {
    let url = "/providers/Microsoft.ResourceGraph/resources?api-version=2022-10-01";
    let (status, body) = ask_as(world, caller, Method::POST, url, &json!({ "query": query, "options": options }));
    (status, if status == 200 { body["data"].clone() } else { body["error"]["code"].clone() })
}

const ASSIGNMENTS: &str =
    "authorizationresources | where type =~ 'microsoft.authorization/roleassignments' | project properties.scope";

#[test]
fn somebody_without_a_role_is_refused_and_one_with_a_role_on_a_vault_sees_that_vault() {
    let mut world = world();
    let stranger = caller(Uuid::from_u128(99));
    let query = "resources | project name";
    assert_eq!(rows(&world, &stranger, query, &Value::Null), (403, json!("AccessDenied")));
    let vaults = format!(
        "/subscriptions/{}/providers/Microsoft.KeyVault/vaults?api-version=2023-07-01",
        world.keyvault.subscription()
    );
    let refused = ask_as(&world, &stranger, Method::GET, &vaults, &Value::Null);
    assert_eq!((refused.0, &refused.1["error"]["code"]), (403, &json!("AuthorizationFailed")));
    let list = "/subscriptions?api-version=2022-12-01";
    assert_eq!(ask_as(&world, &stranger, Method::GET, list, &Value::Null).1["value"], json!([]));

    let right = json!({ "vault": "contoso-kv", "principal": stranger.object_id, "role": "Key Vault Reader" });
    crate::lab::keyvault::grant(&mut world, &right).unwrap();
    assert_eq!(rows(&world, &stranger, query, &Value::Null), (200, json!([{ "name": "contoso-kv" }])));
    assert_eq!(ask_as(&world, &stranger, Method::GET, &vaults, &Value::Null).0, 403, "not the whole subscription");
}

#[test]
fn assignments_above_the_subscription_show_only_when_asked_for() {
    let mut world = world();
    let signer = json!({ "vault": "contoso-kv", "principal": Uuid::from_u128(5), "role": "Key Vault Crypto User", "scope": "keys/a" });
    crate::lab::keyvault::grant(&mut world, &signer).unwrap();
    for scope in ["management-group", "resource-group/lab"] {
        let right = json!({ "principal": Uuid::from_u128(6), "role": "Key Vault Crypto User", "scope": scope });
        azure::grant(&mut world, &right).unwrap();
    }
    let auditor = caller(AUDITOR);
    let scopes = |options: &Value| {
        let (status, rows) = rows(&world, &auditor, ASSIGNMENTS, options);
        assert_eq!(status, 200);
        rows.as_array()
            .unwrap()
            .iter()
            .map(|row| row["properties_scope"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    let usual = scopes(&Value::Null);
    assert_eq!(usual.len(), 3);
    assert!(usual[1].ends_with("/vaults/contoso-kv/keys/a") && usual[2].ends_with("/resourceGroups/lab"), "{usual:?}");
    let all = scopes(&json!({ "authorizationScopeFilter": "AtScopeAboveAndBelow" }));
    assert_eq!(all.len(), 4);
    assert!(all.iter().any(|scope| scope.starts_with("/providers/Microsoft.Management/managementGroups/")));
}

#[test]
fn an_assignment_leads_to_its_role_and_the_role_to_what_it_allows() {
    let mut world = world();
    let right = json!({ "vault": "contoso-kv", "principal": Uuid::from_u128(5), "actions": ["keys/sign/action"] });
    crate::lab::keyvault::grant(&mut world, &right).unwrap();
    let auditor = caller(AUDITOR);
    let query = "authorizationresources | where type =~ 'microsoft.authorization/roleassignments' and properties.principalId == '00000000-0000-0000-0000-000000000005' | extend role = tolower(tostring(properties.roleDefinitionId)) | project role";
    let role = rows(&world, &auditor, query, &Value::Null).1[0]["role"].as_str().unwrap().to_owned();
    let query = format!(
        "AuthorizationResources | where tolower(id) == '{role}' | project properties.type, actions = properties.permissions[0].dataActions"
    );
    let found = rows(&world, &auditor, &query, &Value::Null).1;
    assert_eq!(
        found,
        json!([{ "properties_type": "CustomRole", "actions": ["Microsoft.KeyVault/vaults/keys/sign/action"] }])
    );
}

#[test]
fn what_watches_a_vault_is_told_to_readers() {
    let mut world = world();
    let options = VaultOptions { diagnostics: Some("allLogs".to_owned()), ..VaultOptions::default() };
    create_vault(&mut world, "watched-kv", options);
    let settings = |name: &str, caller: &Caller| {
        let id = world.keyvault.vault(name).unwrap().resource_id();
        let url = format!("{id}/providers/Microsoft.Insights/diagnosticSettings?api-version=2021-05-01-preview");
        ask_as(&world, caller, Method::GET, &url, &Value::Null)
    };
    let watched = settings("watched-kv", &caller(AUDITOR)).1;
    assert_eq!(watched["value"][0]["properties"]["logs"][0]["categoryGroup"], "allLogs");
    assert_eq!(settings("contoso-kv", &caller(AUDITOR)).1, json!({ "value": [] }));
    assert_eq!(settings("watched-kv", &caller(Uuid::from_u128(99))).0, 403);
    let url = format!(
        "/subscriptions/{}/providers/Microsoft.Security/pricings/KeyVaults?api-version=2024-01-01",
        world.keyvault.subscription()
    );
    assert_eq!(ask(&world, Method::GET, &url, &Value::Null).1["properties"]["pricingTier"], "Standard");
}

#[test]
fn a_member_of_a_group_has_its_roles() {
    let mut world = world();
    let group = Uuid::from_u128(40);
    azure::grant(&mut world, &json!({ "principal": group, "role": "Reader" })).unwrap();
    let mut member = caller(Uuid::from_u128(41));
    assert_eq!(rows(&world, &member, "resources", &Value::Null).0, 403);
    member.groups.insert(group);
    assert_eq!(rows(&world, &member, "resources | count", &Value::Null).1, json!([{ "Count": 2 }]));
}
