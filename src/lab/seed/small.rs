//! A dozen applications. All but one have exactly one fault, of the kinds that audits look for.

use http::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Operator;
use super::VAULT;
use super::hand::App;
use super::hand::Hand;
use crate::lab::directory::User;
use crate::lab::keys::KeyKind;
use crate::lab::keyvault;
use crate::lab::world::World;

/// A second vault, of the older kind: access policies.
const OTHER_VAULT: &str = "fabrikam-kv";

/// RSA-2048 keys that the seed takes.
const KEYS: usize = 7;

/// Builds the tenant. Gives the application with the shared secret, on which one works first.
pub(super) fn sow(world: &mut World, operator: &Operator) -> Result<App, String> {
    world.keys.prepare(KeyKind::Rsa(2048), KEYS);
    let owner = person(world, "Mira Okafor", "mira.okafor");
    vaults(world, operator)?;
    let mut hand = Hand::new(world, operator);
    contacts(&mut hand)?;
    let subject = secrets(&mut hand, owner)?;
    certificates(&mut hand, owner)?;
    registrations(&mut hand, owner)?;
    drop(hand);
    // What was needed for the seed need not be kept ready from now on.
    world.keys.prepare(KeyKind::Rsa(2048), 1);
    Ok(subject)
}

fn person(world: &mut World, name: &str, account: &str) -> Uuid {
    let id = world.guid();
    world.directory.users.insert(id, User::member(id, name, &format!("{account}@contoso.com")));
    id
}

fn vaults(world: &mut World, operator: &Operator) -> Result<(), String> {
    keyvault::create_vault(world, OTHER_VAULT, keyvault::VaultOptions::default());
    let everything = json!({ "certificates": ["all"], "keys": ["all"], "secrets": ["all"] });
    let right = json!({ "vault": OTHER_VAULT, "principal": operator.principal, "permissions": everything });
    keyvault::grant(world, &right).map(drop)
}

/// The second vault has none: nobody is told there before a certificate expires.
fn contacts(hand: &mut Hand<'_>) -> Result<(), String> {
    let contacts = json!({ "contacts": [{ "email": "platform@contoso.com", "name": "Platform team" }] });
    hand.vault(VAULT, Method::PUT, "certificates/contacts", &contacts).map(drop)
}

fn secrets(hand: &mut Hand<'_>, owner: Uuid) -> Result<App, String> {
    // In use: somebody signed in with it an hour ago.
    hand.go_back(60);
    let billing = hand.register("billing-api", Some(owner), json!({}))?;
    let secret = hand.add_password(&billing, "production", 180)?;
    hand.used(secret);

    // Good for ten years, and nobody has ever used it.
    hand.go_back(300);
    let backup = hand.register("nightly-backup", Some(owner), json!({}))?;
    hand.add_password(&backup, "do not rotate", 3650)?;
    Ok(billing)
}

fn certificates(hand: &mut Hand<'_>, owner: Uuid) -> Result<(), String> {
    // Each: name, created so many days ago, what is different from a hardened policy.
    let faults = [
        ("payments-signer", 30, json!({ "key_props": { "key_size": 3072 } })),
        ("reporting-job", 385, json!({})),
        ("inventory-feed", 355, json!({})),
        ("crm-connector", 40, json!({ "lifetime_actions": auto_renew() })),
        ("payroll-sync", 90, json!({ "key_props": { "exportable": true } })),
    ];
    for (name, days, difference) in faults {
        hand.go_back(days);
        let app = hand.register(name, Some(owner), json!({}))?;
        let certificate = hand.create(VAULT, name, &policy(name, difference))?;
        hand.attach(&app, &certificate)?;
    }

    // Its key lives on a disk somewhere.
    hand.go_back(120);
    let etl = hand.register("legacy-etl", Some(owner), json!({}))?;
    let stray = hand.stray("legacy-etl", 365)?;
    hand.attach(&etl, &stray)?;

    // Attached to the service principal, where a look at the application does not find it.
    hand.go_back(20);
    let bridge = hand.register("hr-bridge", Some(owner), json!({}))?;
    let certificate = hand.create(OTHER_VAULT, "hr-bridge", &policy("hr-bridge", json!({})))?;
    hand.attach_to_principal(&bridge, &certificate)
}

fn registrations(hand: &mut Hand<'_>, owner: Uuid) -> Result<(), String> {
    hand.go_back(200);
    let web = json!({ "web": {
        "redirectUris": ["https://localhost/signin", "https://portal.contoso.com/signin-oidc"],
        "implicitGrantSettings": { "enableAccessTokenIssuance": true, "enableIdTokenIssuance": true },
    } });
    hand.register("web-portal", Some(owner), web)?;
    let everywhere = json!({
        "signInAudience": "AzureADMultipleOrgs", "servicePrincipalLockConfiguration": { "isEnabled": false },
    });
    hand.register("partner-portal", Some(owner), everywhere)?;
    hand.register("orphan-tool", None, json!({})).map(drop)
}

/// A policy without fault, with some differences.
fn policy(name: &str, difference: Value) -> Value {
    let mut policy = json!({
        "key_props": { "exportable": false, "kty": "RSA", "key_size": 2048, "reuse_key": false },
        "secret_props": { "contentType": "application/x-pkcs12" },
        "x509_props": {
            "subject": format!("CN={name}.contoso.internal"), "key_usage": ["digitalSignature"],
            "ekus": ["1.3.6.1.5.5.7.3.2"], "validity_months": 12,
        },
        "lifetime_actions": [{ "trigger": { "days_before_expiry": 30 }, "action": { "action_type": "EmailContacts" } }],
        "issuer": { "name": "Self" },
    });
    merge(&mut policy, difference);
    policy
}

fn auto_renew() -> Value {
    json!([{ "trigger": { "lifetime_percentage": 80 }, "action": { "action_type": "AutoRenew" } }])
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}
