//! Soft delete, with its lags.

use super::*;

const GONE: (u16, &str, Option<&str>) = (404, "CertificateNotFound", None);
const BEING_DELETED: (u16, &str, Option<&str>) = (409, "Conflict", Some("ObjectIsBeingDeleted"));
const RECOVERABLE: (u16, &str, Option<&str>) = (409, "Conflict", Some("ObjectIsDeletedButRecoverable"));

fn fails(lab: &mut Lab, method: Method, path: &str, expected: (u16, &str, Option<&str>)) {
    let body = json!({"policy": {"x509_props": {"subject": "CN=a"}, "issuer": {"name": "Self"}}});
    let (status, code, inner) = lab.fails(method, path, body);
    assert_eq!((status, code.as_str(), inner.as_deref()), expected, "{path}");
}

#[test]
fn deletion_answers_at_once_and_shows_later() {
    let mut lab = Lab::with(VaultOptions { retention_days: 7, ..VaultOptions::default() });
    let live = lab.create("a", Value::Null);
    let deleted = lab.send(Method::DELETE, "certificates/a", Value::Null);
    assert_eq!(deleted.status, 200);
    let deleted = deleted.value();
    assert_eq!(deleted["cer"], live["cer"]);
    let date = |member: &str| deleted[member].as_i64().unwrap();
    assert_eq!(date("scheduledPurgeDate") - date("deletedDate"), 7 * 86400);
    assert_eq!(deleted["attributes"]["recoveryLevel"], "CustomizedRecoverable+Purgeable");
    for _ in 0..2 {
        fails(&mut lab, Method::GET, "certificates/a", GONE);
        fails(&mut lab, Method::GET, "deletedcertificates/a", GONE);
        fails(&mut lab, Method::POST, "deletedcertificates/a/recover", BEING_DELETED);
        fails(&mut lab, Method::DELETE, "deletedcertificates/a", BEING_DELETED);
        fails(&mut lab, Method::POST, "certificates/a/create", BEING_DELETED);
        assert_eq!(lab.get("deletedcertificates")["value"], json!([]));
        assert_eq!(lab.get("certificates")["value"], json!([]));
        lab.wait(7);
    }
}

#[test]
fn a_deleted_name_is_taken_until_it_is_purged() {
    let mut lab = Lab::new();
    lab.create("a", Value::Null);
    lab.send(Method::DELETE, "certificates/a", Value::Null);
    lab.wait(8);
    assert_eq!(lab.get("deletedcertificates/a")["attributes"]["recoverableDays"], 90);
    assert_eq!(lab.get("deletedcertificates")["value"].as_array().unwrap().len(), 1);
    fails(&mut lab, Method::POST, "certificates/a/create", RECOVERABLE);
    fails(&mut lab, Method::POST, "certificates/A/create", RECOVERABLE);
    assert_eq!(lab.send(Method::DELETE, "deletedcertificates/a", Value::Null).status, 204);
    fails(&mut lab, Method::GET, "deletedcertificates/a", GONE);
    lab.create("a", Value::Null);
}

#[test]
fn recovery_brings_everything_back_after_its_lag() {
    let mut lab = Lab::new();
    let live = lab.create("a", Value::Null);
    lab.send(Method::DELETE, "certificates/a", Value::Null);
    lab.wait(8);
    for path in ["keys/a", "secrets/a"] {
        assert_eq!(lab.fails(Method::GET, path, Value::Null).0, 404, "{path} goes with the certificate");
    }
    let recovered = lab.send(Method::POST, "deletedcertificates/a/recover", Value::Null);
    assert_eq!((recovered.status.as_u16(), recovered.value()["id"].clone()), (200, live["id"].clone()));
    fails(&mut lab, Method::GET, "certificates/a", GONE);
    lab.wait(8);
    assert_eq!(lab.get("certificates/a")["x5t"], live["x5t"]);
    assert_eq!(lab.get("keys/a")["managed"], true);
    let exists = (400, "MethodNotAllowed", Some("RequestNotAllowedOnNonDeletedObject"));
    fails(&mut lab, Method::POST, "deletedcertificates/a/recover", exists);
    fails(&mut lab, Method::POST, "deletedcertificates/b/recover", GONE);
}

#[test]
fn purge_protection_stands_above_every_role() {
    let mut lab = Lab::with(VaultOptions { purge_protection: true, ..VaultOptions::default() });
    let live = lab.create("a", Value::Null);
    assert_eq!(live["attributes"]["recoveryLevel"], "Recoverable");
    lab.send(Method::DELETE, "certificates/a", Value::Null);
    lab.wait(8);
    assert_eq!(lab.fails(Method::DELETE, "deletedcertificates/a", Value::Null).0, 403);
    lab.wait(90 * 86400);
    fails(&mut lab, Method::GET, "deletedcertificates/a", GONE);
}

#[test]
fn key_and_secret_of_a_certificate_cannot_be_deleted_alone() {
    let mut lab = Lab::new();
    lab.create("a", Value::Null);
    for (path, inner) in [("secrets/a", "SecretManagedByKeyVault"), ("keys/a", "KeyManagedByKeyVault")] {
        assert_eq!(lab.fails(Method::DELETE, path, Value::Null), (403, "Forbidden".to_owned(), Some(inner.to_owned())));
    }
}

#[test]
fn a_deleted_disabled_secret_answers_forbidden() {
    let mut lab = Lab::new();
    lab.send(Method::PUT, "secrets/s", json!({"value": "v", "attributes": {"enabled": false}}));
    let disabled = (403, "Forbidden".to_owned(), Some("SecretDisabled".to_owned()));
    assert_eq!(lab.fails(Method::GET, "secrets/s", Value::Null), disabled);
    lab.send(Method::DELETE, "secrets/s", Value::Null);
    assert_eq!(lab.fails(Method::GET, "deletedsecrets/s", Value::Null).0, 404);
    lab.wait(8);
    assert_eq!(lab.fails(Method::GET, "deletedsecrets/s", Value::Null), disabled);
    assert_eq!(lab.send(Method::DELETE, "deletedsecrets/s", Value::Null).status, 204);
}

#[test]
fn a_backup_comes_back_under_the_same_version_but_not_over_a_name() {
    let mut lab = Lab::new();
    let live = lab.create("a", Value::Null);
    let backup = lab.send(Method::POST, "certificates/a/backup", Value::Null).value();
    assert_eq!(lab.fails(Method::POST, "certificates/restore", backup.clone()).0, 409);
    lab.send(Method::DELETE, "certificates/a", Value::Null);
    lab.wait(8);
    lab.send(Method::DELETE, "deletedcertificates/a", Value::Null);
    assert_eq!(lab.fails(Method::POST, "certificates/restore", backup.clone()).0, 409, "the purge is not over");
    lab.wait(8);
    let restored = lab.send(Method::POST, "certificates/restore", backup).value();
    assert_eq!(restored["id"], live["id"]);
    assert!(restored.get("pending").is_none());
    let malformed = (400, "Malformed backup blob".to_owned(), None);
    assert_eq!(lab.fails(Method::POST, "certificates/restore", json!({"value": "AAAA"})), malformed);
}
