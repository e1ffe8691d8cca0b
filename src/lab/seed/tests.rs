//! What a fresh lab holds, looked at from inside.

use std::collections::BTreeSet;

use serde_json::Value;
use time::Duration;
use time::OffsetDateTime;
use time::macros::datetime;

use super::*;
use crate::lab::clock::LabClock;
use crate::lab::directory::Application;
use crate::lab::directory::Hint;
use crate::lab::directory::Object as _;
use crate::lab::directory::View;
use crate::lab::keys::KeyPool;
use crate::lab::world::Settings;

const NOW: OffsetDateTime = datetime!(2026-06-01 12:00:00.123456789 UTC);

fn world(seed: &Seed) -> World {
    let mut world = World::new(8443, LabClock::frozen(NOW), 7);
    world.keys = KeyPool::with_folder(concat!(env!("CARGO_MANIFEST_DIR"), "/target/lab-keys").into());
    plant(&mut world, seed).unwrap();
    world
}

fn applications(world: &World) -> Vec<Application> {
    world.directory.scan::<Application>(&Hint::default(), 0, View::Current).map(|(_, app)| app.into_owned()).collect()
}

fn named(world: &World, name: &str) -> Application {
    applications(world).into_iter().find(|app| app.display_name() == Some(name)).unwrap()
}

#[test]
fn an_empty_lab_has_its_operator_and_a_vault_to_work_in() {
    let world = world(&Seed::Empty);
    assert_eq!(applications(&world).len(), 1);
    let operator = world.entra.operator.clone().unwrap();
    assert_eq!(operator.secret(&world).expose().len(), 40);
    assert!(world.keyvault.vault(&operator.vault).is_some());
    assert_eq!(world.keyvault.vaults().count(), 1);
}

#[test]
fn the_small_tenant_has_two_dozen_applications_with_a_fault_each() {
    let world = world(&Seed::Small);
    assert_eq!(applications(&world).len(), 25, "with the operator");
    assert_eq!(world.now(), NOW, "the clock is where it was");
    assert_eq!(world.settings.issue_delay, Settings::default().issue_delay, "the settings are as they were");

    let billing = named(&world, "billing-api");
    assert_eq!(world.entra.operator.as_ref().unwrap().subject_object_id, billing.id);
    let secret = &billing.credentials.passwords[0];
    assert_eq!(world.directory.sign_in(secret.key_id).unwrap().at, NOW.truncate_to_second() - Duration::HOUR);
    let backup = &named(&world, "nightly-backup").credentials.passwords[0];
    assert!(backup.end - backup.start > Duration::days(2900) && world.directory.sign_in(backup.key_id).is_none());

    let ends_in = |name: &str| (named(&world, name).credentials.keys[0].end - NOW).whole_days();
    assert!(ends_in("reporting-job") < -7);
    assert!((5..15).contains(&ends_in("inventory-feed")));
    assert!(ends_in("payments-signer") > 300);

    let ownerless: Vec<_> = applications(&world).into_iter().filter(|app| app.owners.is_empty()).collect();
    let ownerless: Vec<_> = ownerless.iter().filter_map(|app| app.display_name()).collect();
    assert_eq!(ownerless, ["kvops lab operator", "orphan-tool", "directory-sync"]);

    let bridge = named(&world, "hr-bridge");
    assert!(bridge.credentials.keys.is_empty());
    let principal = world.directory.service_principal_by_app_id(bridge.app_id).unwrap();
    assert_eq!(principal.credentials.keys.len(), 1);

    let web = named(&world, "web-portal");
    assert_eq!(web.members["web"]["implicitGrantSettings"]["enableIdTokenIssuance"], Value::Bool(true));
    assert_eq!(named(&world, "partner-portal").members["signInAudience"], "AzureADMultipleOrgs");
}

#[test]
fn a_label_can_lie_and_the_key_of_a_pair_is_shared() {
    let world = world(&Seed::Small);
    let key = |name: &str| named(&world, name).credentials.keys[0].clone();
    let label = |name: &str| key(name).custom_key_identifier.unwrap();
    let lies = |name: &str| label(name) != crate::domain::Thumbprint::sha1(&key(name).key).hex();
    let all = ["payments-signer", "legacy-etl", "partner-feed", "ghost-signer"];
    assert_eq!(all.into_iter().filter(|name| lies(name)).collect::<Vec<_>>(), ["ghost-signer"]);
    assert_eq!(key("weather-east").key, key("weather-west").key);
    let principal = world.directory.service_principal_by_app_id(named(&world, "retired-api").app_id).unwrap();
    assert_eq!(principal.members["accountEnabled"], Value::Bool(false));
    let tier_zero = world.directory.service_principal_by_app_id(named(&world, "directory-sync").app_id).unwrap();
    assert_eq!(tier_zero.roles[0].value, "RoleManagement.ReadWrite.Directory");
}

#[test]
fn the_same_number_makes_the_same_tenant() {
    let ids = |world: &World| applications(world).iter().map(|app| (app.id, app.app_id)).collect::<Vec<_>>();
    assert_eq!(ids(&world(&Seed::Small)), ids(&world(&Seed::Small)));
}

#[test]
fn a_tenant_of_a_million_is_there_at_once() {
    let world = world(&"scale:1000000,1200000,0,0".parse().unwrap());
    assert_eq!(world.directory.count::<Application>(), 1_000_001);
}

#[test]
fn a_seed_is_one_of_three_and_nothing_else() {
    assert_eq!("small".parse::<Seed>().unwrap(), Seed::Small);
    let scale = Seed::Scale { applications: 10_000, principals: 12_000, vaults: 10, certificates: 100 };
    assert_eq!("scale:10000,12000,10,100".parse::<Seed>().unwrap(), scale);
    for bad in ["", "large", "scale:", "scale:1,2,3", "scale:1,2,3,x", "scale:1,2,3,4,5"] {
        assert!(bad.parse::<Seed>().is_err(), "{bad}");
    }
}

#[test]
fn many_vaults_are_in_many_subscriptions_and_the_operator_sees_them_all() {
    let world = world(&"scale:10,10,1000,1".parse().unwrap());
    let subscriptions = world.keyvault.subscriptions();
    assert_eq!(subscriptions.len(), 10);
    for id in &subscriptions {
        let own: Vec<_> = world.keyvault.vaults().filter(|vault| vault.subscription() == *id).collect();
        // The lab's own vault comes on top.
        assert!((100..=101).contains(&own.len()));
        let regions: BTreeSet<_> = own.iter().map(|vault| vault.location()).collect();
        assert!(regions.len() <= 2, "{regions:?}");
        let roles = world.azure.assignments().iter().filter(|each| each.scope == format!("/subscriptions/{id}"));
        assert!(roles.count() > 0);
    }
    assert_eq!(self::world(&"scale:10,10,100,1".parse().unwrap()).keyvault.subscriptions().len(), 1);
}
