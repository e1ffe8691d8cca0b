//! Two dozen applications. All but one have exactly one fault, of the kinds that audits look for;
//! `docs/guides/lab.md` lists them.

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

/// A third one, for keys in hardware.
const TIER_ZERO_VAULT: &str = "contoso-tier0-kv";

/// RSA-2048 keys that the seed takes.
const KEYS: usize = 17;

/// Builds the tenant. Gives the application with the shared secret, on which one works first.
pub(super) fn sow(world: &mut World, operator: &Operator) -> Result<App, String> {
    world.keys.prepare(KeyKind::Rsa(2048), KEYS);
    let people = People {
        owner: world_member(world, "Mira Okafor", "mira.okafor@contoso.com", false),
        guest: world_member(world, "Jonas Lind", "jonas.lind_partner.example#EXT#@contoso.com", true),
    };
    vaults(world, operator)?;
    // Anybody may register applications by default, which would be one more fault.
    let permissions = json!({ "defaultUserRolePermissions": { "allowedToCreateApps": false } });
    world.directory.policies.authorization = permissions.as_object().cloned().unwrap_or_default();
    let mut hand = Hand::new(world, operator);
    contacts(&mut hand)?;
    let subject = secrets(&mut hand, &people)?;
    certificates(&mut hand, &people)?;
    custody(&mut hand, &people)?;
    drift(&mut hand, &people)?;
    registrations(&mut hand, &people)?;
    tier_zero(&mut hand)?;
    drop(hand);
    // What was needed for the seed need not be kept ready from now on.
    world.keys.prepare(KeyKind::Rsa(2048), 1);
    Ok(subject)
}

struct People {
    owner: Uuid,
    /// Somebody of another tenant.
    guest: Uuid,
}

fn world_member(world: &mut World, name: &str, account: &str, is_guest: bool) -> Uuid {
    let id = world.guid();
    world.directory.users.insert(id, User { is_guest, ..User::member(id, name, account) });
    id
}

/// The first is in order, the second is none of it, the third is for what rules the tenant.
fn vaults(world: &mut World, operator: &Operator) -> Result<(), String> {
    let in_order = json!({ "purge_protection": true, "network": "restricted", "diagnostics": "allLogs" });
    keyvault::change_vault(world, VAULT, &in_order)?;
    keyvault::create_vault(world, OTHER_VAULT, keyvault::VaultOptions::default());
    let everything = json!({ "certificates": ["all"], "keys": ["all"], "secrets": ["all"] });
    let right = json!({ "vault": OTHER_VAULT, "principal": operator.principal, "permissions": everything });
    keyvault::grant(world, &right)?;
    keyvault::create_vault(world, TIER_ZERO_VAULT, keyvault::VaultOptions::default());
    keyvault::change_vault(world, TIER_ZERO_VAULT, &in_order)?;
    keyvault::change_vault(world, TIER_ZERO_VAULT, &json!({ "sku": "premium" }))?;
    let right = json!({ "vault": TIER_ZERO_VAULT, "principal": operator.principal, "role": "Key Vault Administrator" });
    keyvault::grant(world, &right).map(drop)
}

fn contacts(hand: &mut Hand<'_>) -> Result<(), String> {
    let contacts = json!({ "contacts": [{ "email": "platform@contoso.com", "name": "Platform team" }] });
    for vault in [VAULT, OTHER_VAULT, TIER_ZERO_VAULT] {
        hand.vault(vault, Method::PUT, "certificates/contacts", &contacts)?;
    }
    Ok(())
}

/// Shared secrets.
fn secrets(hand: &mut Hand<'_>, people: &People) -> Result<App, String> {
    // In use: somebody signed in with it an hour ago.
    hand.go_back(60);
    let billing = hand.register("billing-api", Some(people.owner), in_order(json!({})))?;
    let secret = hand.add_password(&billing, "production", 180)?;
    hand.used(secret);

    // Good for years.
    hand.go_back(300);
    let backup = hand.register("nightly-backup", Some(people.owner), in_order(json!({})))?;
    hand.go_back(20);
    hand.add_password(&backup, "do not rotate", 3000)?;
    Ok(billing)
}

/// Certificates of the vault, each attached to one application.
fn certificates(hand: &mut Hand<'_>, people: &People) -> Result<(), String> {
    let fallback = json!({ "isFallbackPublicClient": true });
    // Each: name, created so many days ago, what is different from a hardened policy, and from an
    // application in order.
    let faults = [
        ("payments-signer", 30, json!({ "key_props": { "key_size": 3072 } }), json!({})),
        ("reporting-job", 385, json!({}), json!({})),
        ("inventory-feed", 355, json!({}), json!({})),
        ("crm-connector", 40, json!({ "lifetime_actions": auto_renew() }), json!({})),
        ("payroll-sync", 90, json!({ "key_props": { "exportable": true } }), json!({})),
        ("desktop-tool", 45, json!({}), fallback),
    ];
    for (name, days, policy, members) in faults {
        signer(hand, people, VAULT, (name, days), &self::policy(name, policy), members)?;
    }
    // Two applications, one key.
    hand.go_back(50);
    let shared = hand.create(VAULT, "weather", &policy("weather", json!({})))?;
    for name in ["weather-east", "weather-west"] {
        let app = hand.register(name, Some(people.owner), in_order(json!({})))?;
        hand.attach(&app, &shared)?;
    }
    // Nobody can sign in as this one, and its key is still good.
    let retired = signer(hand, people, VAULT, ("retired-api", 70), &policy("retired-api", json!({})), json!({}))?;
    hand.disable(&retired)
}

/// Keys that are, or were, somewhere else than the vault says.
fn custody(hand: &mut Hand<'_>, people: &People) -> Result<(), String> {
    // Its key lives on a disk somewhere.
    hand.go_back(120);
    let etl = hand.register("legacy-etl", Some(people.owner), in_order(json!({})))?;
    let stray = hand.stray("legacy-etl", 365)?.cer;
    hand.attach(&etl, &stray)?;

    // Made on a disk, then imported.
    let feed = hand.register("partner-feed", Some(people.owner), in_order(json!({})))?;
    let stray = hand.stray("partner-feed", 365)?;
    hand.go_back(100);
    let imported = hand.import(VAULT, "partner-feed", &stray, &policy("partner-feed", json!({})))?;
    hand.attach(&feed, &imported)?;

    // Bears the thumbprint of a certificate in the vault, and is another.
    hand.go_back(80);
    let spare = hand.create(VAULT, "spare", &policy("spare", json!({})))?;
    let ghost = hand.register("ghost-signer", Some(people.owner), in_order(json!({})))?;
    let stray = hand.stray("ghost-signer", 365)?.cer;
    hand.attach(&ghost, &stray)?;
    hand.relabel(&ghost, &spare)?;

    // Attached to the service principal, where a look at the application does not find it.
    hand.go_back(20);
    let bridge = hand.register("hr-bridge", Some(people.owner), in_order(json!({})))?;
    let certificate = hand.create(OTHER_VAULT, "hr-bridge", &policy("hr-bridge", json!({})))?;
    hand.attach_to_principal(&bridge, &certificate)
}

/// What the vault says and the directory does not know, or the other way round.
fn drift(hand: &mut Hand<'_>, people: &People) -> Result<(), String> {
    // A version that nobody attached. Without a policy in the call, that of the certificate stays as it was.
    signer(hand, people, VAULT, ("ledger-sync", 95), &policy("ledger-sync", json!({})), json!({}))?;
    hand.go_back(5);
    hand.renew(VAULT, "ledger-sync")?;

    // Turned off in the vault, which revokes nothing.
    signer(hand, people, VAULT, ("archive-job", 65), &policy("archive-job", json!({})), json!({}))?;
    hand.go_back(10);
    hand.vault(VAULT, Method::PATCH, "certificates/archive-job", &json!({ "attributes": { "enabled": false } }))?;

    // Deleted in the vault, which revokes nothing either.
    signer(hand, people, VAULT, ("old-mailer", 75), &policy("old-mailer", json!({})), json!({}))?;
    hand.go_back(10);
    hand.vault(VAULT, Method::DELETE, "certificates/old-mailer", &Value::Null).map(drop)
}

/// Applications without any credential.
fn registrations(hand: &mut Hand<'_>, people: &People) -> Result<(), String> {
    hand.go_back(200);
    let web = json!({ "web": {
        "redirectUris": ["https://localhost/signin", "https://portal.contoso.com/signin-oidc"],
        "implicitGrantSettings": { "enableAccessTokenIssuance": true, "enableIdTokenIssuance": true },
    } });
    hand.register("web-portal", Some(people.owner), in_order(web))?;
    let everywhere = json!({
        "signInAudience": "AzureADMultipleOrgs", "servicePrincipalLockConfiguration": { "isEnabled": false },
    });
    hand.register("partner-portal", Some(people.owner), in_order(everywhere))?;
    hand.register("orphan-tool", None, in_order(json!({ "serviceManagementReference": null })))?;
    hand.register("shared-inbox", Some(people.guest), in_order(json!({})))?;

    // Whoever opens a pull request may be this application.
    let pipeline = hand.register("release-pipeline", Some(people.owner), in_order(json!({})))?;
    hand.federate(&pipeline, "https://token.actions.githubusercontent.com", "repo:contoso/release:pull_request")
}

/// May give itself any right in the tenant. Its key is in hardware, and nobody owns it.
fn tier_zero(hand: &mut Hand<'_>) -> Result<(), String> {
    hand.go_back(25);
    let permission = "RoleManagement.ReadWrite.Directory";
    let requested = hand.requested(permission)?;
    let app = hand.register("directory-sync", None, in_order(json!({ "requiredResourceAccess": requested })))?;
    let hardware = json!({ "key_props": { "kty": "RSA-HSM" } });
    let certificate = hand.create(TIER_ZERO_VAULT, "directory-sync", &policy("directory-sync", hardware))?;
    hand.attach(&app, &certificate)?;
    hand.permit(&app, permission)
}

/// An application with a certificate of the same name, both made so many days ago.
fn signer(
    hand: &mut Hand<'_>,
    people: &People,
    vault: &str,
    (name, days): (&str, i64),
    policy: &Value,
    members: Value,
) -> Result<App, String> {
    hand.go_back(days);
    let app = hand.register(name, Some(people.owner), in_order(members))?;
    let certificate = hand.create(vault, name, policy)?;
    hand.attach(&app, &certificate)?;
    Ok(app)
}

/// What an application without fault says about itself, with some differences.
fn in_order(difference: Value) -> Value {
    let mut members = json!({
        "serviceManagementReference": "CMDB-2041",
        "servicePrincipalLockConfiguration": { "isEnabled": true, "allProperties": true },
    });
    merge(&mut members, difference);
    members
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

/// Renews by itself, and tells the contacts before it does.
fn auto_renew() -> Value {
    json!([
        { "trigger": { "lifetime_percentage": 80 }, "action": { "action_type": "AutoRenew" } },
        { "trigger": { "lifetime_percentage": 70 }, "action": { "action_type": "EmailContacts" } },
    ])
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
