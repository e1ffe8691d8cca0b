//! What must never be printed, at the loudest setting: tokens, assertions, proofs, secrets.

use serde_json::json;

use crate::support::Bench;
use crate::support::Ran;
use crate::support::VAULT;
use crate::token::provisioned;

/// A signature of RSA has at least 342 characters of base64url, a client secret 40, and nothing that
/// may be printed has a run as long as this: the longest is a SHA-256 in hex.
const LONGEST_RUN: usize = 70;

/// Fails if the output holds the secret, a token, or anything that could be a signature.
#[track_caller]
pub(crate) fn is_clean(ran: &Ran, secret: &str, is_handed_out: bool) {
    let encoded: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
    let streams = if is_handed_out { vec![&ran.stderr] } else { vec![&ran.stdout, &ran.stderr] };
    for text in streams {
        assert!(!text.contains(secret) && !text.contains(&encoded), "the client secret:\n{text}");
        assert!(!text.contains("eyJ"), "a token or an assertion:\n{text}");
        assert!(!text.contains("Bearer ey") && !text.contains("client_assertion=e"), "a request's body:\n{text}");
        let run = text
            .split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'))
            .find(|run| run.len() > LONGEST_RUN);
        assert!(run.is_none(), "a run of {} characters: {run:?}\n{text}", run.unwrap_or_default().len());
    }
}

/// A bench whose program says all that it can.
pub(crate) fn loud() -> (Bench, String) {
    let mut bench = Bench::tame();
    bench.set("KVOPS_LOG", "trace");
    bench.set("RUST_LOG", "trace");
    bench.set("RUST_BACKTRACE", "1");
    let secret = bench.variable("LAB_CLIENT_SECRET");
    (bench, secret)
}

fn all<'a>(arguments: &[&'a str]) -> Vec<&'a str> {
    [arguments, &["-vv", "--trace"]].concat()
}

#[test]
fn no_command_prints_a_token_an_assertion_a_proof_or_a_secret() {
    let (bench, secret) = loud();
    let app = bench.application("billing");
    let provision = |name| ["provision", "--app", "billing", "--vault", VAULT, "--name", name];
    let token = ["token", "--app", &app.app_id, "--vault", VAULT, "--name", "billing"];
    let commands: Vec<Vec<&str>> = vec![
        [&provision("billing")[..], &["--plan"]].concat(),
        provision("billing").to_vec(),
        [&provision("second")[..], &["--output", "json"]].concat(),
        [&provision("third")[..], &["--output", "table", "--log-format", "json"]].concat(),
        token.to_vec(),
        [&token[..], &["--output", "table", "--expect", "azpacr=2"]].concat(),
        [&token[..], &["--assertion-only"]].concat(),
        [&token[..], &["--assertion-only", "--output", "table"]].concat(),
        [&token[..], &["--tenant", "contoso.com", "--tenant", "contoso.onmicrosoft.com"]].concat(),
        vec!["cert", "info", "--vault", VAULT, "--name", "billing"],
        vec!["cert", "list", "--vault", VAULT],
        vec!["attach", "--app", "billing", "--vault", VAULT, "--name", "billing"],
        vec!["config", "show"],
    ];
    for arguments in commands {
        let ran = bench.kvops(&all(&arguments)).ends_with(0);
        assert!(ran.stderr.contains("attempt") || arguments[0] == "config", "--trace said nothing: {ran:?}");
        is_clean(&ran, &secret, false);
    }
    for output in ["raw", "env", "header", "curl-config", "kubectl-exec", "gcp-executable"] {
        is_clean(&bench.kvops(&all(&[&token[..], &["--output", output]].concat())).ends_with(0), &secret, true);
    }
    is_clean(&bench.kvops(&all(&[&token[..], &["--assertion-only", "--output", "raw"]].concat())), &secret, true);
}

#[test]
fn no_error_prints_what_was_sent() {
    let (mut bench, secret) = loud();
    let (app, _) = provisioned(&bench);
    let token = ["token", "--app", &app.app_id, "--vault", VAULT, "--name", "billing"];
    let results = [
        json!({ "drop": "before" }),
        json!({ "drop": "after" }),
        json!({ "torn": true }),
        json!({ "status": 400 }),
        json!({ "status": 401 }),
        json!({ "status": 403 }),
        json!({ "status": 429, "headers": { "Retry-After": "3600" } }),
        json!({ "status": 500, "body": "<html><title>oops</title></html>", "content_type": "text/html" }),
        json!({ "status": 200, "body": "{}" }),
        json!({ "status": 302, "headers": { "Location": "https://evil.example/?x=1" } }),
    ];
    for result in results {
        for (service, path) in [("entra", "/token"), ("keyvault", "/sign"), ("graph", "/applications")] {
            bench.fault(&json!({ "match": { "service": service, "path": path }, "result": result }));
            let commands: [&[&str]; 2] =
                [&token, &["provision", "--app", "billing", "--vault", VAULT, "--name", "billing", "-o", "json"]];
            for arguments in commands {
                is_clean(&bench.kvops(&all(arguments)), &secret, false);
            }
            bench.no_faults();
        }
    }
    bench.set("AZURE_CLIENT_SECRET", "canary~canary.canary-canary_canary~canary");
    let ran = bench.kvops(&all(&token)).ends_with(3);
    is_clean(&ran, "canary~canary.canary-canary_canary~canary", false);
}

#[test]
fn a_service_that_repeats_what_it_was_sent_does_not_get_it_printed() {
    let (bench, secret) = loud();
    let (app, _) = provisioned(&bench);
    let token = ["token", "--app", &app.app_id, "--vault", VAULT, "--name", "billing", "-o", "raw"];
    let echoed = bench.kvops(&token).ends_with(0).stdout.trim().to_owned();
    for (service, path) in [("keyvault", "/sign"), ("graph", "/applications"), ("entra", "/token")] {
        let message = format!("Request had Authorization: Bearer {echoed} and client_assertion={echoed}");
        let body = json!({ "error": { "code": "BadRequest", "message": message } });
        let body =
            if service == "entra" { json!({ "error": "invalid_request", "error_description": message }) } else { body };
        bench.fault(
            &json!({ "match": { "service": service, "path": path }, "result": { "status": 400, "body": body } }),
        );
        let ran =
            bench.kvops(&all(&["provision", "--app", "billing", "--vault", VAULT, "--name", "other", "-o", "json"]));
        assert_ne!(ran.exit, 0);
        assert_eq!(ran.error()["status"], 400, "{service}");
        is_clean(&ran, &secret, false);
        bench.no_faults();
    }
}
