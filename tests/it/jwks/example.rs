//! `examples/token_service.rs`, run against a lab.

#[expect(dead_code, reason = "its main is for whoever runs it as a program")]
#[path = "../../../examples/token_service.rs"]
mod token_service;

use kvops::domain::Environment;
use kvops::domain::Secret;
use kvops::pki::JwkSet;

use super::ISSUER;
use super::block_on;
use super::version;
use crate::support::Bench;
use crate::support::VAULT;

#[test]
fn the_example_publishes_keys_and_signs_what_they_verify() {
    let bench = Bench::tame();
    let kid = version(&bench);
    let environment: Environment = [
        ("AZURE_TENANT_ID", bench.variable("LAB_TENANT")),
        ("AZURE_CLIENT_ID", bench.variable("LAB_CLIENT_ID")),
        ("AZURE_CLIENT_SECRET", bench.variable("LAB_CLIENT_SECRET")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into_iter()
    .collect();
    let mut written = Vec::new();
    block_on(async {
        let keys = token_service::open(&bench.lab().cloud(), environment, VAULT, "signer", ISSUER).unwrap();
        token_service::serve(&keys, &mut written).await.unwrap();
    });
    let written = String::from_utf8(written).unwrap();
    let (documents, token) = written.trim_end().rsplit_once('\n').unwrap();
    let keys: JwkSet = serde_json::from_str(documents).unwrap();
    let token = keys.verify(&Secret::new(token.to_owned())).unwrap();
    assert_eq!((&token.header["kid"], &token.claims["sub"]), (&kid.into(), &"worker".into()));
}
