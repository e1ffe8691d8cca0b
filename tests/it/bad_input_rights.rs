//! Rights that are missing: who lacks what, what grants it, and the command that does.

use serde_json::json;

use crate::support::Bench;
use crate::support::VAULT;

const BILLING: [&str; 9] = ["provision", "--app", "billing", "--vault", VAULT, "--name", "billing", "--output", "json"];

/// A bench that works as somebody who may do everything in the directory and nothing in the vault.
fn without_vault_rights() -> (Bench, crate::support::Identity) {
    let mut bench = Bench::tame();
    bench.application("billing");
    let identity = bench.identity("deployer");
    for permission in ["Application.ReadWrite.All", "Policy.Read.All"] {
        bench.give_graph(&identity, permission);
    }
    bench.work_as(&identity);
    (bench, identity)
}

#[test]
fn a_missing_role_is_named_with_its_data_action_and_the_command_that_assigns_it() {
    let (bench, identity) = without_vault_rights();
    let error = bench.kvops(&BILLING).ends_with(3).error();
    let text = error.to_string();
    for part in ["Microsoft.KeyVault/vaults/certificates/read", "Key Vault Reader", "az role assignment create", VAULT]
    {
        assert!(text.contains(part), "`{part}` is missing: {error}");
    }
    assert!(!text.contains("set-policy"), "the vault does not use access policies: {error}");
    assert_eq!(error["code"], "ForbiddenByRbac");
    assert!(error["request_id"].is_string());
    // Who it was, in the error and in the command that grants the right.
    assert!(error["identity"].as_str().unwrap().contains(&identity.app_id), "{error}");
    assert!(text.contains(&format!("--assignee {}", identity.principal)), "{error}");

    bench.give_role(&identity, "Key Vault Reader");
    let error = bench.kvops(&BILLING).ends_with(3).error();
    let text = error.to_string();
    for part in ["Microsoft.KeyVault/vaults/certificates/create/action", "Key Vault Certificates Officer"] {
        assert!(text.contains(part), "`{part}` is missing: {error}");
    }

    bench.give_role(&identity, "Key Vault Certificates Officer");
    let error = bench.kvops(&BILLING).ends_with(3).error();
    let text = error.to_string();
    for part in ["Microsoft.KeyVault/vaults/keys/sign/action", "Key Vault Crypto User"] {
        assert!(text.contains(part), "`{part}` is missing: {error}");
    }

    // Everything that the messages have asked for is enough, and the run goes on where it stopped.
    bench.give_role(&identity, "Key Vault Crypto User");
    bench.kvops(&BILLING).ends_with(0);
    assert_eq!(bench.versions("billing").len(), 1);
}

#[test]
fn a_missing_access_policy_is_named_with_its_permission_and_the_command_that_sets_it() {
    let (bench, identity) = without_vault_rights();
    bench.permit(&json!({ "vault": VAULT, "mode": "access-policies" }));
    let error = bench.kvops(&BILLING).ends_with(3).error();
    let text = error.to_string();
    let command = format!("az keyvault set-policy --name {VAULT} --object-id {}", identity.principal);
    for part in ["certificates get", &command, "--certificate-permissions get"] {
        assert!(text.contains(part), "`{part}` is missing: {error}");
    }
    assert!(!text.contains("role assignment"), "the vault does not use roles: {error}");

    let permissions = json!({ "certificates": ["get", "list", "create", "update"], "keys": ["get", "sign"] });
    bench.permit(&json!({ "vault": VAULT, "principal": identity.principal, "permissions": permissions }));
    bench.kvops(&BILLING).ends_with(0);
}

#[test]
fn a_firewall_is_told_from_a_missing_role() {
    let bench = Bench::tame();
    bench.application("billing");
    for (network, advice) in [("firewall", "firewall"), ("private-link", "private endpoint")] {
        bench.permit(&json!({ "vault": VAULT, "network": network }));
        let error = bench.kvops(&BILLING).ends_with(3).error();
        let text = error.to_string();
        assert!(text.contains(advice) && text.contains("network"), "{error}");
        assert!(!text.contains("role assignment create"), "{error}");
    }
}

#[test]
fn a_missing_graph_permission_is_named_and_what_was_made_is_used_by_the_next_run() {
    let mut bench = Bench::tame();
    let app = bench.application("billing");
    let identity = bench.identity("deployer");
    bench.give_role(&identity, "Key Vault Administrator");
    bench.give_graph(&identity, "Application.Read.All");
    bench.give_graph(&identity, "Policy.Read.All");
    bench.work_as(&identity);
    let error = bench.kvops(&BILLING).ends_with(3).error();
    let text = error.to_string();
    assert!(text.contains("Application.ReadWrite.OwnedBy"), "{error}");
    assert!(text.contains(&format!("was made as application {}", identity.app_id)), "{error}");
    assert_eq!(error["code"], "Authorization_RequestDenied");
    assert!(bench.keys_of(&app).is_empty());

    bench.give_graph(&identity, "Application.ReadWrite.All");
    bench.kvops(&BILLING).ends_with(0);
    assert_eq!((bench.keys_of(&app).len(), bench.versions("billing").len()), (1, 1));
}

#[test]
fn an_owner_needs_no_permission_on_the_whole_directory() {
    let mut bench = Bench::tame();
    let app = bench.application("billing");
    let identity = bench.identity("deployer");
    bench.give_role(&identity, "Key Vault Administrator");
    for permission in ["Application.ReadWrite.OwnedBy", "Policy.Read.All"] {
        bench.give_graph(&identity, permission);
    }
    bench.work_as(&identity);
    bench.kvops(&BILLING).ends_with(3);
    let owner =
        json!({ "@odata.id": format!("https://graph.microsoft.com/v1.0/directoryObjects/{}", identity.principal) });
    bench.graph("POST", &format!("/v1.0/applications/{}/owners/$ref", app.id), &owner);
    bench.lab().clock().advance(time::Duration::minutes(10));
    bench.kvops(&BILLING).ends_with(0);
    assert_eq!(bench.keys_of(&app).len(), 1);
}

#[test]
fn nobody_is_signed_in_with_a_wrong_secret_and_the_error_names_the_variable() {
    let mut bench = Bench::tame();
    bench.application("billing");
    bench.set("AZURE_CLIENT_SECRET", "wrong~secret.of-the-kind_that_looks_right");
    let ran = bench.kvops(&BILLING).ends_with(3);
    let error = ran.error();
    assert_eq!(error["code"], "AADSTS7000215", "{error}");
    assert!(!ran.stderr.contains("wrong~secret"), "{ran:?}");
}
