//! A tenant of twelve applications, by hand: what is counted, who comes first, and which way leads to each key.

use super::Summary;
use crate::audit::engine::judge;
use crate::audit::facts::{Custody, Export};
use crate::audit::history::History;
use crate::audit::manifest::Manifest;
use crate::audit::policy::Policy;
use crate::audit::summary::{CredentialKind, CustodyCounts, Week};
use crate::inventory::{Inventory, Seen};

fn tenant() -> Inventory {
    serde_json::from_str(include_str!("../../../tests/report/tenant.json")).unwrap()
}

fn summary(inventory: &Inventory) -> Summary {
    judge(inventory, &Policy::default(), &Manifest::default(), &Seen::<History>::default()).summary
}

#[test]
fn every_credential_that_works_now_is_counted_once_by_whose_hands_it_is_in() {
    let summary = summary(&tenant());
    let expected = CustodyCounts {
        hsm: 1,
        nonexportable: 4,
        indeterminate: 1,
        exportable: 1,
        imported: 1,
        // One vault was not read, so nobody can say that a key is in none.
        foreign: 0,
        unverified: 2,
        secret: 4,
    };
    assert_eq!(summary.custody, expected);
    assert_eq!((summary.applications, summary.service_principals, summary.vaults), (12, 13, 3));
    assert_eq!(summary.with_secrets, 3);
}

#[test]
fn with_every_vault_read_a_key_in_none_of_them_is_foreign() {
    let mut inventory = tenant();
    inventory.vaults.retain(|vault| vault.certificates.read().is_some());
    inventory.coverage.gaps.clear();
    let summary = summary(&inventory);
    assert_eq!((summary.custody.foreign, summary.custody.unverified), (2, 0));
}

#[test]
fn a_rolled_over_key_has_a_successor_and_a_secret_that_ends_alone_has_none() {
    let summary = summary(&tenant());
    // billing's first key ends in 20 days beside its second; a secret of the payroll ends in 18 alone.
    assert_eq!(summary.expiry.weeks[2], Week { succeeded: 1, alone: 1 });
    assert_eq!(summary.expiry.weeks[1], Week { succeeded: 1, alone: 0 }, "the other secret takes over");
    assert_eq!(summary.expiry.weeks[0], Week { succeeded: 0, alone: 1 }, "legacy-crm ends in four days");
    assert_eq!(summary.expiring, 2);
    assert_eq!(summary.expiry.overdue, 1, "an expired secret that is still registered");
    assert_eq!(summary.expiry.later, 1, "the vendor's key");
}

#[test]
fn a_secret_that_leads_to_the_tenant_is_first_and_a_key_in_an_hsm_far_behind() {
    let summary = summary(&tenant());
    let names: Vec<&str> = summary.ranked.iter().map(|ranked| &*ranked.subject.name).collect();
    assert_eq!(names[0], "invoice-sync");
    let score = |name: &str| summary.ranked.iter().find(|ranked| &*ranked.subject.name == name).unwrap().score;
    assert!(score("payments-gateway") < score("invoice-sync") - 40, "the same right, and a key that nobody can copy");
    assert!(score("hr-export") > score("billing-api"));
    assert!(summary.ranked.iter().all(|ranked| ranked.score == ranked.points.iter().map(|p| p.points).sum::<u32>()));
}

#[test]
fn the_way_to_a_key_names_the_version_and_why_it_can_be_copied() {
    let summary = summary(&tenant());
    let of = |name: &str| summary.ranked.iter().find(|ranked| &*ranked.subject.name == name).unwrap();
    let hr = of("hr-export");
    assert_eq!(hr.credentials[0].custody, Some(Custody::Exportable));
    let held = &hr.credentials[0].held[0];
    assert!(held.is_proven && held.path.starts_with("contoso-prod-kv/hr-export/"));
    let certificate = &hr.certificates[held.certificate.unwrap()];
    assert_eq!(certificate.versions[0].export, Export::Yes);

    let billing = of("billing-api");
    assert_eq!((billing.credentials.len(), billing.certificates.len()), (2, 1));
    let trusted: Vec<bool> = billing.certificates[0].versions.iter().map(|version| version.is_trusted).collect();
    assert_eq!(trusted, [true, true, false]);
    let deploy = of("deploy-website");
    assert_eq!(deploy.credentials[0].kind, CredentialKind::Federated);
}

#[test]
fn who_can_sign_is_counted_with_groups_taken_apart_and_named_on_the_way_to_a_key() {
    let summary = summary(&tenant());
    assert_eq!((summary.many_signers, summary.unsure_signers, summary.max_signers), (6, 0, 3));
    let of = |name: &str| &summary.ranked.iter().find(|ranked| &*ranked.subject.name == name).unwrap().certificates[0];
    let hr = of("hr-export");
    assert_eq!((hr.signers.total, hr.readers.total), (5, 2));
    let reader = hr.readers.hands.iter().find(|hand| !hand.name.is_empty()).unwrap();
    assert_eq!(&*reader.name, "hr-export");
    assert_eq!(&*reader.by, "Key Vault Secrets User");
    assert!(reader.scope.ends_with("/vaults/contoso-prod-kv"), "{}", reader.scope);
    assert_eq!(hr.signers.hands.iter().filter(|hand| hand.is_by_group).count(), 3);
    assert_eq!(of("payments-gateway").signers.total, 1, "only who administers the subscription");
}

#[test]
fn role_assignments_that_were_not_read_are_no_small_number_of_signers() {
    let mut inventory = tenant();
    inventory.assignments = Seen::unread(crate::inventory::Reason::Rbac);
    let summary = summary(&inventory);
    assert_eq!((summary.many_signers, summary.unsure_signers), (0, 7));
    let hr = summary.ranked.iter().find(|ranked| &*ranked.subject.name == "hr-export").unwrap();
    assert_eq!(hr.certificates[0].signers.missing, ["role assignments (rbac)"]);
}

#[test]
fn the_ranking_is_bounded_and_says_how_many_it_left_out() {
    let mut inventory = tenant();
    let model = inventory.applications.get(1).unwrap();
    for number in 0..3_000_u32 {
        let mut app = model.clone();
        app.id = format!("00000001-0000-4000-9000-{number:012x}").parse().unwrap();
        app.app_id = format!("00000002-0000-4000-9000-{number:012x}").parse().unwrap();
        inventory.applications.push(&app);
    }
    let summary = summary(&inventory);
    assert_eq!(summary.ranked.len(), super::RANKED);
    assert_eq!(summary.unranked, 3_013 - 1_000);
    assert_eq!(&*summary.ranked[0].subject.name, "invoice-sync");
    assert!(summary.ranked.is_sorted_by(|a, b| a.score >= b.score));
}
