//! Who may do what.

use super::*;

fn sign_body() -> Value {
    json!({"alg": "RS256", "value": "A".repeat(43)})
}

#[test]
fn without_a_token_the_answer_says_where_to_get_one() {
    let mut lab = Lab::new();
    let reply = answer(&mut lab.world, "contoso", &request(Method::GET, "certificates", &Value::Null));
    assert_eq!(error(&reply), (401, "Unauthorized".to_owned(), None));
    let tenant = Uuid::from_u128(1);
    let challenge =
        format!("Bearer authorization=\"https://localhost:8443/{tenant}\", resource=\"https://vault.localhost:8443\"");
    assert_eq!(reply.headers["www-authenticate"], challenge.as_str());
    for header in ["cache-control", "x-ms-request-id", "x-ms-keyvault-region", "x-content-type-options"] {
        assert!(reply.headers.contains_key(header), "{header}");
    }
}

#[test]
fn a_bad_token_is_called_invalid() {
    let mut lab = Lab::new();
    let mut request = request(Method::GET, "certificates", &Value::Null);
    request.headers.insert("authorization", "Bearer abc".parse().unwrap());
    let reply = answer(&mut lab.world, "contoso", &request);
    assert_eq!(reply.status, 401);
    assert!(reply.headers["www-authenticate"].to_str().unwrap().contains("error=\"invalid_token\""));
}

#[test]
fn a_role_on_one_key_signs_with_that_key_alone() {
    let mut lab = Lab::new();
    lab.create("a", Value::Null);
    lab.create("b", Value::Null);
    let signer = caller(9);
    let body =
        json!({"vault": "contoso", "principal": signer.object_id, "role": "Key Vault Crypto User", "scope": "keys/a"});
    grant(&mut lab.world, &body).unwrap();
    let reply = lab.send_as(&signer, Method::POST, "keys/a/sign", sign_body());
    assert_eq!(reply.status, 200);
    assert_eq!(reply.headers["x-ms-keyvault-rbac-assignment-id"].len(), 32);
    let forbidden = (403, "Forbidden".to_owned(), Some("ForbiddenByRbac".to_owned()));
    let reply = lab.send_as(&signer, Method::POST, "keys/b/sign", sign_body());
    assert_eq!(error(&reply), forbidden);
    let text = reply.value()["error"]["message"].as_str().unwrap().to_owned();
    assert!(text.contains("\r\nAction: 'Microsoft.KeyVault/vaults/keys/sign/action'\r\n"), "{text}");
    assert!(text.contains("/vaults/contoso/keys/b'"), "{text}");
    assert_eq!(error(&lab.send_as(&signer, Method::GET, "certificates/a", Value::Null)), forbidden);
    assert!(!reply.headers.contains_key("x-ms-keyvault-rbac-assignment-id"));
}

#[test]
fn access_policies_count_only_in_their_mode() {
    let mut lab = Lab::new();
    lab.create("a", Value::Null);
    let signer = caller(9);
    let permissions = json!({"Keys": ["Sign"]});
    let body = json!({"vault": "contoso", "principal": signer.object_id, "permissions": permissions});
    grant(&mut lab.world, &body).unwrap();
    assert_eq!(lab.send_as(&signer, Method::POST, "keys/a/sign", sign_body()).status, 200);
    let reply = lab.send_as(&signer, Method::GET, "keys/a", Value::Null);
    assert_eq!(error(&reply), (403, "Forbidden".to_owned(), Some("ForbiddenByPolicy".to_owned())));
    let text = reply.value()["error"]["message"].as_str().unwrap().to_owned();
    assert!(text.contains("does not have keys get permission on key vault 'contoso;location=westus'."), "{text}");
    assert_eq!(lab.send(Method::GET, "keys/a", Value::Null).status, 403, "roles do not count any more");
    grant(&mut lab.world, &json!({"vault": "contoso", "mode": "rbac"})).unwrap();
    assert_eq!(lab.send(Method::GET, "keys/a", Value::Null).status, 200);
    assert_eq!(lab.send_as(&signer, Method::POST, "keys/a/sign", sign_body()).status, 403);
}

#[test]
fn rights_can_be_taken_away() {
    let mut lab = Lab::new();
    let body = json!({"vault": "contoso", "principal": lab.caller.object_id, "remove": true});
    grant(&mut lab.world, &body).unwrap();
    assert_eq!(lab.send(Method::GET, "certificates/a", Value::Null).status, 403);
}

#[test]
fn a_firewall_lets_nobody_in_whatever_their_rights() {
    let mut lab = Lab::new();
    for (network, inner) in [("firewall", "ForbiddenByFirewall"), ("private-link", "ForbiddenByConnection")] {
        grant(&mut lab.world, &json!({"vault": "contoso", "network": network})).unwrap();
        let expected = (403, "Forbidden".to_owned(), Some(inner.to_owned()));
        assert_eq!(lab.fails(Method::GET, "certificates/a", Value::Null), expected);
    }
    grant(&mut lab.world, &json!({"vault": "contoso", "network": "open"})).unwrap();
    assert_eq!(lab.fails(Method::GET, "certificates/a", Value::Null).0, 404);
}

#[test]
fn a_grant_that_makes_no_sense_is_refused() {
    let mut lab = Lab::new();
    for body in [
        json!({"vault": "nowhere"}),
        json!({"vault": "contoso", "principal": Uuid::nil(), "role": "Owner of everything"}),
        json!({"vault": "contoso", "role": "Key Vault Reader"}),
        json!({"vault": "contoso", "mode": "access-policies", "principal": Uuid::nil(), "role": "Key Vault Reader"}),
        json!({"vault": "contoso", "typo": 1}),
    ] {
        assert!(grant(&mut lab.world, &body).is_err(), "{body}");
    }
}

#[test]
fn an_api_version_is_required() {
    let mut lab = Lab::new();
    assert_eq!(lab.fails(Method::GET, "certificates/a?api-version=", Value::Null).0, 400);
    assert_eq!(lab.fails(Method::GET, "certificates/a?api-version=9.9", Value::Null).0, 400);
}
