//! Tokens of other issuers in place of a credential.

use super::*;
use crate::lab::directory::FederatedCredential;

const GITHUB: &str = "https://token.actions.githubusercontent.com";
const SUBJECT: &str = "repo:contoso/billing:ref:refs/heads/main";

impl Lab {
    fn trusting(issuer: &str, subject: &str) -> Self {
        let mut lab = Self::new();
        let operator = lab.client_id.parse().unwrap();
        let mut application = lab.world.directory.application_by_app_id(operator).unwrap().into_owned();
        application.federated.push(FederatedCredential {
            id: Uuid::from_u128(3),
            name: "main".to_owned(),
            issuer: issuer.to_owned(),
            subject: subject.to_owned(),
            description: None,
            audiences: vec!["api://AzureADTokenExchange".to_owned()],
        });
        lab.world.directory.put(application, NOW);
        let played = Issuer::played(lab.world.keys.take(KeyKind::Rsa(2048)), GITHUB, NOW).unwrap();
        lab.world.entra.issuers.insert(GITHUB.to_owned(), played);
        lab
    }

    fn federated(&mut self, issuer: &str, changes: Value) -> Reply {
        let mut claims = json!({ "sub": SUBJECT });
        claims.as_object_mut().unwrap().extend(changes.as_object().cloned().unwrap());
        let token = self.world.entra.issuers[GITHUB].token(issuer, &claims, NOW).unwrap();
        self.present(&token)
    }

    fn present(&mut self, token: &str) -> Reply {
        self.ask(&[
            ("client_secret", ""),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", token),
        ])
    }
}

#[test]
fn a_matching_assertion_stands_in_for_a_credential() {
    let mut lab = Lab::trusting(GITHUB, SUBJECT);
    let reply = lab.federated(GITHUB, json!({}));
    assert_eq!(claims(&reply)["appidacr"], "2");
    assert_eq!(reply.value()["expires_in"], 86_399);
}

#[test]
fn issuer_subject_and_audience_match_to_the_letter() {
    let mut lab = Lab::trusting(GITHUB, SUBJECT);
    let mut number = |issuer: &str, changes: Value| code(&lab.federated(issuer, changes));
    assert_eq!(number("https://token.example", json!({})), 700_211);
    assert_eq!(number(&GITHUB.to_uppercase(), json!({})), 7_002_137);
    assert_eq!(number(GITHUB, json!({ "sub": "repo:contoso/billing:pull_request" })), 700_213);
    assert_eq!(number(GITHUB, json!({ "sub": SUBJECT.to_uppercase() })), 7_002_138);
    assert_eq!(number(GITHUB, json!({ "aud": "https://github.com/contoso" })), 700_212);
    assert_eq!(number(GITHUB, json!({ "exp": NOW.unix_timestamp() - 400 })), 700_024);
}

#[test]
fn a_token_of_a_stranger_who_uses_the_issuers_name_is_refused() {
    let mut lab = Lab::trusting(GITHUB, SUBJECT);
    let stranger = Issuer::played(lab.world.keys.take(KeyKind::Rsa(2048)), GITHUB, NOW).unwrap();
    let token = stranger.token(GITHUB, &json!({ "sub": SUBJECT }), NOW).unwrap();
    assert_eq!(code(&lab.present(&token)), 7_000_272);
    let genuine = lab.world.entra.issuers[GITHUB].token(GITHUB, &json!({ "sub": SUBJECT }), NOW).unwrap();
    let (message, _) = genuine.rsplit_once('.').unwrap();
    let (_, signature) = token.rsplit_once('.').unwrap();
    assert_eq!(code(&lab.present(&format!("{message}.{signature}"))), 50_013);
    lab.world.entra.issuers.clear();
    let reply = lab.present(&genuine);
    assert_eq!((code(&reply), reply.status.as_u16()), (50_166, 400), "an issuer that nobody can ask proves nothing");
}

#[test]
fn published_keys_are_read_for_who_trusts_the_issuer_and_kept_for_a_while() {
    let mut lab = Lab::trusting(GITHUB, SUBJECT);
    let played = lab.world.entra.issuers.remove(GITHUB).unwrap();
    let token = |claims: &Value| {
        let mut all = json!({ "sub": SUBJECT });
        all.as_object_mut().unwrap().extend(claims.as_object().cloned().unwrap());
        played.token(GITHUB, &all, NOW).unwrap()
    };
    let wanted = |lab: &Lab, token: &str| {
        let form = [
            ("client_id", lab.client_id.as_str()),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", token),
        ];
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        super::super::wanted(&lab.world, &request(Method::POST, "t/oauth2/v2.0/token", body))
            .map(|wanted| wanted.issuer)
    };
    assert_eq!(wanted(&lab, &token(&json!({}))).as_deref(), Some(GITHUB));
    assert_eq!(wanted(&lab, &token(&json!({ "sub": "somebody" }))), None, "nobody is asked for a stranger");
    assert_eq!(wanted(&lab, "e30.e30.x"), None);
    lab.world.settings.issuer_cache = 60;
    let keys: Vec<jsonwebtoken::jwk::Jwk> = serde_json::from_value(played.jwks()["keys"].clone()).unwrap();
    for (read_at, again) in [(NOW, false), (NOW - time::Duration::seconds(60), true)] {
        lab.world.entra.learn(GITHUB.to_owned(), Ok(keys.clone()), read_at);
        assert_eq!(wanted(&lab, &token(&json!({}))).is_some(), again);
        assert_eq!(lab.present(&token(&json!({}))).status, 200);
    }
    lab.world.entra.learn(GITHUB.to_owned(), Err("down".to_owned()), NOW);
    assert!(wanted(&lab, &token(&json!({}))).is_some(), "a failure is not kept");
    assert_eq!(code(&lab.present(&token(&json!({})))), 50_166);
}

#[test]
fn a_registered_jwks_is_used_and_cannot_sign() {
    let mut lab = Lab::trusting(GITHUB, SUBJECT);
    let played = lab.world.entra.issuers[GITHUB].clone();
    let foreign = Issuer::foreign(&played.jwks()).unwrap();
    assert!(foreign.token(GITHUB, &json!({}), NOW).is_err());
    let token = played.token(GITHUB, &json!({ "sub": SUBJECT }), NOW).unwrap();
    lab.world.entra.issuers.insert(GITHUB.to_owned(), foreign);
    assert_eq!(lab.present(&token).status, 200);
    assert!(Issuer::foreign(&json!({ "keys": [{ "kty": "what" }] })).is_err() || Issuer::foreign(&json!([])).is_err());
}

#[test]
fn a_managed_identity_may_stand_in_and_an_application_may_not() {
    let issuer = format!("https://localhost:8443/{}/v2.0", Lab::new().world.tenant);
    let mut lab = Lab::trusting(&issuer, "");
    let identity = identity::add(&mut lab.world, "deployer", false).unwrap();
    let operator = lab.client_id.parse().unwrap();
    let mut application = lab.world.directory.application_by_app_id(operator).unwrap().into_owned();
    application.federated[0].subject = identity.object_id.to_string();
    lab.world.directory.put(application.clone(), NOW);
    let mut request = request(Method::GET, "metadata/identity/oauth2/token", String::new());
    request.headers.insert("metadata", "true".parse().unwrap());
    for (name, value) in [("api-version", "2018-02-01"), ("resource", "api://AzureADTokenExchange")] {
        request.query.push((name.to_owned(), value.to_owned()));
    }
    let token = answer_identity(&mut lab.world, &request).value()["access_token"].as_str().unwrap().to_owned();
    assert_eq!(lab.present(&token).status, 200);

    let own = lab.ask(&[("scope", "api://AzureADTokenExchange/.default")]);
    application.federated[0].subject = claims(&own)["sub"].as_str().unwrap().to_owned();
    lab.world.directory.put(application, NOW);
    assert_eq!(code(&lab.present(own.value()["access_token"].as_str().unwrap())), 700_236);
}
