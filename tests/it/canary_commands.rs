//! Every command of the program at its loudest, with secrets that would be recognised: none appears in what
//! it prints, nor in any file that it leaves. A command without a case here fails the test.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::json;

use crate::canary::is_clean;
use crate::canary::loud;
use crate::support::Bench;
use crate::support::VAULT;

/// What is run of a command. Text that is no answer of anybody's may have long words.
struct Case {
    command: &'static str,
    runs: Vec<Vec<String>>,
    is_fixed_text: bool,
    /// Whether there is nothing here that it would work on: what it says to that is looked at.
    may_fail: bool,
}

/// Commands that cannot be run here, or that hand secrets out on purpose, and why.
const ELSEWHERE: &[(&str, &str)] = &[
    ("lab serve", "lab_server::, which reads all that it prints"),
    ("lab env", "it hands the lab's own secret to whoever starts the lab"),
    ("lab seed", "it needs a lab that is served"),
    ("demo", "lab_command::, which reads all that it prints"),
    ("proxy", "it serves until it is stopped, and hands tokens out on purpose"),
    ("proxy exec", "the same, to a program of the user's"),
    ("jwks serve", "it serves until it is stopped, and hands tokens out on purpose"),
    ("jwks issue", "its result is a token"),
];

fn case(command: &'static str, runs: &[&[&str]]) -> Case {
    let words = |run: &&[&str]| {
        let own = command.split_whitespace();
        own.chain(run.iter().copied()).map(str::to_owned).collect()
    };
    Case { command, runs: runs.iter().map(words).collect(), is_fixed_text: false, may_fail: false }
}

/// In an order in which each has something to work on.
fn cases(bench: &Bench) -> Vec<Case> {
    let named = ["--vault", VAULT, "--name", "billing"];
    let app = ["--app", "billing", "--vault", VAULT, "--name", "billing"];
    let with = |more: &[&'static str]| [&app[..], more].concat();
    let fixed = |case: Case| Case { is_fixed_text: true, ..case };
    let failing = |case: Case| Case { may_fail: true, ..case };
    let issuer = ["--vault", VAULT, "--name", "seal", "--issuer", "https://issuer.contoso.com"];
    let of_issuer = |more: &[&'static str]| [more, &issuer[..]].concat();
    let key = bench.graph("GET", "/v1.0/applications?$filter=displayName%20eq%20'other'", &serde_json::Value::Null);
    let other = key["value"][0]["passwordCredentials"][0]["keyId"].as_str().unwrap().to_owned();
    let why: &[&str] = &[&other];
    vec![
        case(
            "provision",
            &[
                &with(&["--plan"]),
                &with(&[]),
                &["--vault-only", "--vault", VAULT, "--name", "seal", "--cer-out", "seal.cer"],
            ],
        ),
        case("attach", &[&app]),
        case("token", &[&app, &with(&["--assertion-only"])]),
        case("cert info", &[&named]),
        case("cert list", &[&["--vault", VAULT]]),
        case("why", &[why]),
        case("doctor", &[&app]),
        case("explain", &[&["AADSTS700027"], &[]]),
        case(
            "audit",
            &[
                &["--exit-zero", "--format", "json=one.json", "--format", "table", "--export", "tenant.ndjson"],
                &["--exit-zero", "--format", "csv=one.csv", "--write-baseline", "baseline.json"],
            ],
        ),
        case("audit sign", &[&["baseline.json", "--vault", VAULT, "--name", "seal"]]),
        case("audit diff", &[&["one.json", "one.json"]]),
        case("rotate", &[&with(&["--plan-out", "plan.json"])]),
        case("apply", &[&["plan.json"]]),
        case("rotate", &[&with(&["--compromised", "--accept-unknown-use"])]),
        case("detach", &[&with(&["--secret", "all", "--despite-use", "--accept-unknown-use"])]),
        case("harden", &[&["--app", "billing", "--vault", VAULT, "--name", "billing", "--plan"]]),
        case("watch", &[&["--vault", VAULT, "--plan"]]),
        case("ledger show", &[&[]]),
        case("ledger checkpoint", &[&["--vault", VAULT, "--name", "seal"]]),
        case("ledger verify", &[&["--online"], &["--certificate", "seal.cer"]]),
        case("policy list", &[&[]]),
        case("policy show", &[&["KVO101"]]),
        fixed(case("policy doc", &[&[]])),
        case("policy test", &[&[]]),
        case("config show", &[&[]]),
        case("config variables", &[&[]]),
        case("lab exec", &[&["--", "/bin/true"]]),
        failing(case("jwks build", &[&of_issuer(&["--out", "published"])])),
        failing(case("jwks status", &[&issuer])),
        failing(case("jwks verify", &[&issuer])),
        failing(case("jwks promote", &[&of_issuer(&["--no-wait"])])),
        failing(case("jwks revoke", &[&of_issuer(&["0123456789abcdef0123456789abcdef"])])),
        failing(case("proxy env", &[&[]])),
        fixed(case("completions", &[&["bash"]])),
        fixed(case("man", &[&[]])),
    ]
}

/// The commands that help names, with those below them.
fn commands(bench: &Bench, above: &[String]) -> BTreeSet<String> {
    let arguments: Vec<&str> = above.iter().map(String::as_str).chain(["--help"]).collect();
    let help = bench.kvops(&arguments).ends_with(0).stdout;
    let mut listed = help.lines().skip_while(|line| *line != "Commands:").skip(1).take_while(|line| !line.is_empty());
    let mut found = BTreeSet::new();
    let is_command = |line: &&str| line.starts_with("  ") && !line.starts_with("   ");
    for line in listed.by_ref().filter(is_command) {
        let name = line.split_whitespace().next().unwrap();
        if name == "help" {
            continue;
        }
        let path: Vec<String> = above.iter().cloned().chain([name.to_owned()]).collect();
        let below = commands(bench, &path);
        // `audit` is a command with others below it, `cert` is not.
        if below.is_empty() || ["audit", "proxy"].contains(&name) {
            found.insert(path.join(" "));
        }
        found.extend(below);
    }
    found
}

/// Every file that was left, however deep.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

#[test]
fn every_command_at_its_loudest_prints_and_leaves_no_secret() {
    let (mut bench, secret) = loud();
    let ledger = bench.ledger_file().display().to_string();
    bench.set("KVOPS_LEDGER", &ledger);
    let app = bench.application("billing");
    let other = bench.application("other");
    let mut secrets = vec![secret.clone()];
    for app in [&app, &other] {
        let path = format!("/v1.0/applications/{}/addPassword", app.id);
        let made = bench.graph("POST", &path, &json!({ "passwordCredential": { "displayName": "theirs" } }));
        secrets.push(made["secretText"].as_str().unwrap().to_owned());
    }
    bench.lab().clock().advance(time::Duration::minutes(10));

    let known = commands(&bench, &[]);
    let mut covered: BTreeSet<String> = ELSEWHERE.iter().map(|(command, _)| (*command).to_owned()).collect();
    for case in cases(&bench) {
        covered.insert(case.command.to_owned());
        if !known.contains(case.command) {
            continue;
        }
        for run in case.runs {
            let arguments: Vec<&str> = run.iter().map(String::as_str).collect();
            // What follows `--` is another program's.
            let at = arguments.iter().position(|word| *word == "--").unwrap_or(arguments.len());
            let (own, rest) = arguments.split_at(at);
            let ran = bench.kvops(&[own, &["-vv", "--trace"], rest].concat());
            assert!(case.may_fail || matches!(ran.exit, 0 | 1 | 5), "{arguments:?}: {ran:?}");
            for secret in &secrets {
                if !case.is_fixed_text {
                    is_clean(&ran, secret, false);
                }
            }
        }
    }
    let missing: Vec<&String> = known.difference(&covered).collect();
    assert!(missing.is_empty(), "no canary has looked at {missing:?}: give each a case in this file");

    let left = files(bench.ledger_file().parent().unwrap());
    assert!(left.len() > 5, "{left:?}");
    for file in left {
        let text = String::from_utf8_lossy(&fs::read(&file).unwrap()).into_owned();
        for secret in &secrets {
            assert!(!text.contains(secret), "a secret is in {}", file.display());
        }
        assert!(!text.contains("eyJ"), "a token is in {}", file.display());
    }
}
