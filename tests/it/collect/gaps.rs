//! What cannot be read has a gap that says why, and takes nothing else with it.

use kvops::inventory::Error;
use kvops::inventory::Evidence;
use kvops::inventory::Gap;
use kvops::inventory::Inventory;
use kvops::inventory::Reason;
use kvops::inventory::State;
use kvops::lab::Counts;
use serde_json::json;

use super::small;
use crate::support::Bench;
use crate::support::Identity;
use crate::support::VAULT;
use crate::support::hardened;

/// Graph permissions that an audit is documented to need.
const MINIMUM: [&str; 8] = [
    "Application.Read.All",
    "Directory.Read.All",
    "User.Read.All",
    "Policy.Read.All",
    "RoleManagement.Read.Directory",
    "AuditLog.Read.All",
    "GroupMember.Read.All",
    "RoleEligibilitySchedule.Read.Directory",
];

fn gaps(inventory: &Inventory, evidence: Evidence) -> Vec<&Gap> {
    inventory.coverage.gaps.iter().filter(|gap| gap.evidence == evidence).collect()
}

fn collect_as(bench: &Bench, identity: &Identity) -> Inventory {
    bench.try_collect(Some(identity), &bench.plan(), &mut State::none()).unwrap()
}

/// An identity with the documented minimum, on the vault that every seed has.
fn auditor(bench: &Bench) -> Identity {
    let auditor = bench.identity("auditor");
    for permission in MINIMUM {
        bench.give_graph(&auditor, permission);
    }
    bench.give_role(&auditor, "Key Vault Reader");
    auditor
}

#[test]
fn nothing_is_written_signed_or_asked_of_secrets_with_the_documented_minimum() {
    let bench = Bench::tame();
    bench.certificate("billing", &hardened("CN=billing"), &json!({}));
    let auditor = auditor(&bench);
    bench.lab().control("DELETE", "/requests", &json!(null)).unwrap();
    let plan = kvops::inventory::Plan { vaults: Some(vec![bench.place(VAULT)]), ..bench.plan() };
    let inventory = bench.try_collect(Some(&auditor), &plan, &mut State::none()).unwrap();
    let Counts { writes, secrets, sign, .. } = bench.lab().counts();
    assert_eq!((writes, secrets, sign), (0, 0, 0));
    assert!(inventory.vaults[0].certificates.read().is_some());
    for entry in bench.lab().requests_since(0) {
        let is_question = entry.path.ends_with("/resources") || entry.path.ends_with("/getByIds");
        let is_token = entry.path.ends_with("/token");
        assert!(entry.method == "GET" || is_question || is_token, "{} {}", entry.method, entry.path);
    }
}

#[test]
fn a_vault_that_refuses_is_a_gap_and_the_others_are_read() {
    let bench = small();
    let auditor = auditor(&bench);
    let places = ["contoso-kv", "fabrikam-kv"].map(|name| bench.place(name));
    let plan = kvops::inventory::Plan { vaults: Some(places.into()), ..bench.plan() };
    let inventory = bench.try_collect(Some(&auditor), &plan, &mut State::none()).unwrap();
    let refused = gaps(&inventory, Evidence::Certificates);
    assert_eq!(refused.len(), 1, "{refused:#?}");
    assert_eq!((refused[0].object.as_str(), refused[0].reason), ("fabrikam-kv", Reason::AccessPolicy));
    assert!(refused[0].grant.contains("certificates list"), "{refused:#?}");
    assert_eq!(inventory.vaults[1].certificates.reason(), Some(Reason::AccessPolicy));
    assert!(inventory.vaults[0].certificates.read().is_some_and(|certificates| !certificates.is_empty()));
}

#[test]
fn roles_firewalls_and_private_links_are_told_apart() {
    let bench = Bench::tame();
    let auditor = bench.identity("auditor");
    for permission in MINIMUM {
        bench.give_graph(&auditor, permission);
    }
    let plan = kvops::inventory::Plan { vaults: Some(vec![bench.place(VAULT)]), ..bench.plan() };
    let read = || bench.try_collect(Some(&auditor), &plan, &mut State::none()).unwrap();
    let inventory = read();
    let refused = gaps(&inventory, Evidence::Certificates)[0].clone();
    assert_eq!((refused.reason, refused.grant.as_str()), (Reason::Rbac, "Key Vault Reader"));
    for code in ["ForbiddenByFirewall", "ForbiddenByConnection"] {
        let body = json!({ "error": { "code": "Forbidden", "message": "no", "innererror": { "code": code } } });
        bench.fault(&json!({ "match": { "service": "keyvault" }, "result": { "status": 403, "body": body } }));
        let inventory = read();
        bench.no_faults();
        for evidence in [Evidence::Certificates, Evidence::DeletedCertificates, Evidence::Contacts] {
            let refused = gaps(&inventory, evidence);
            assert_eq!((refused.len(), refused[0].reason), (1, Reason::Firewall), "{code} {evidence}");
        }
    }
}

#[test]
fn a_permission_that_is_missing_costs_its_evidence_and_nothing_else() {
    for (missing, evidence) in
        [("Policy.Read.All", Evidence::AuthorizationPolicy), ("AuditLog.Read.All", Evidence::CredentialActivity)]
    {
        let bench = Bench::tame();
        bench.application("billing");
        let auditor = bench.identity("auditor");
        for permission in MINIMUM.into_iter().filter(|permission| *permission != missing) {
            bench.give_graph(&auditor, permission);
        }
        let inventory = collect_as(&bench, &auditor);
        let refused = gaps(&inventory, evidence);
        assert!(!refused.is_empty(), "{missing}: {:#?}", inventory.coverage.gaps);
        assert_eq!((refused[0].reason, refused[0].grant.as_str()), (Reason::Rbac, missing));
        assert!(inventory.coverage.is_complete(Evidence::Applications));
    }
}

#[test]
fn whoever_sees_no_subscription_is_told_that_vaults_may_be_missing() {
    let bench = Bench::tame();
    let auditor = bench.identity("auditor");
    for permission in MINIMUM {
        bench.give_graph(&auditor, permission);
    }
    let inventory = collect_as(&bench, &auditor);
    let unseen = gaps(&inventory, Evidence::Vaults);
    assert_eq!((unseen.len(), unseen[0].reason, unseen[0].grant.as_str()), (1, Reason::Rbac, "Reader"));
    assert!(inventory.vaults.is_empty());
}

#[test]
fn an_identity_that_cannot_sign_in_is_no_gap_but_the_end() {
    let bench = Bench::tame();
    let nobody = Identity { secret: "wrong".to_owned(), ..bench.identity("nobody") };
    let ended = bench.try_collect(Some(&nobody), &bench.plan(), &mut State::none());
    assert!(matches!(ended, Err(Error::SignIn { .. })), "{ended:?}");
}

#[test]
fn an_identity_that_may_read_nothing_has_read_nothing() {
    let bench = Bench::tame();
    let nobody = bench.identity("nobody");
    let ended = bench.try_collect(Some(&nobody), &bench.plan(), &mut State::none());
    let Err(Error::Nothing { gaps }) = ended else { panic!("{ended:?}") };
    assert!(gaps.iter().any(|gap| gap.grant == "Application.Read.All"), "{gaps:#?}");
}

#[test]
fn a_directory_without_the_licence_for_reports_is_read_without_them() {
    let bench = Bench::tame();
    let body = json!({ "error": {
        "code": "Authentication_RequestFromNonPremiumTenantOrB2CTenant",
        "message": "Neither tenant is B2C or tenant doesn't have premium license",
    } });
    bench.fault(&json!({ "match": { "path": "/reports/" }, "result": { "status": 403, "body": body } }));
    let inventory = bench.collect();
    assert_eq!(gaps(&inventory, Evidence::CredentialActivity)[0].reason, Reason::NotLicensed);
    assert_eq!(gaps(&inventory, Evidence::SignInActivity)[0].reason, Reason::NotLicensed);
    assert!(inventory.coverage.is_complete(Evidence::Applications));
}

#[test]
fn an_object_that_is_not_what_graph_documents_is_a_gap_of_its_own() {
    let bench = Bench::tame();
    let app = bench.application("billing");
    let good = bench.graph("GET", &format!("/v1.0/applications/{}", app.id), &json!(null));
    let mut bad = good.clone();
    (bad["id"], bad["appId"]) = (json!("11111111-1111-1111-1111-111111111111"), json!(17));
    let body = json!({ "value": [bad, good] });
    // Which of the lists of applications comes first is open: this one is answered by itself.
    let of_federation = json!({ "path": "/v1.0/applications", "query": "federatedIdentityCredentials" });
    bench.fault(&json!({ "match": of_federation, "result": { "body": { "value": [] } }, "times": 1 }));
    let listing = json!({ "path": "/v1.0/applications", "query": "$top=999" });
    bench.fault(&json!({ "match": listing, "result": { "body": body }, "times": 1 }));
    let inventory = bench.collect();
    let refused = gaps(&inventory, Evidence::Applications);
    assert_eq!((refused.len(), refused[0].reason), (1, Reason::Parse), "{:#?}", inventory.coverage.gaps);
    assert_eq!(refused[0].object, "11111111-1111-1111-1111-111111111111");
    assert_eq!(inventory.applications.len(), 1);
}

#[test]
fn federation_of_an_application_that_is_gone_meanwhile_is_no_gap() {
    let bench = Bench::tame();
    bench.application("billing");
    let body = json!({ "value": [{ "id": "11111111-1111-1111-1111-111111111111" }] });
    let of_federation = json!({ "path": "/v1.0/applications", "query": "federatedIdentityCredentials" });
    bench.fault(&json!({ "match": of_federation, "result": { "body": body }, "times": 1 }));
    let inventory = bench.collect();
    assert_eq!(inventory.coverage.gaps, []);
    assert!(inventory.applications.iter().all(|one| one.federated.read().is_some()));
}
