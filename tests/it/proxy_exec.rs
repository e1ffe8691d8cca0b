//! `kvops proxy exec` and `kvops proxy env`: who is told what, and how it ends.

use std::io::BufRead as _;
use std::io::BufReader;
use std::net::TcpStream;
use std::process::Command;
use std::process::Stdio;

use serde_json::Value;

use crate::support::App;
use crate::support::Bench;
use crate::support::Ran;
use crate::support::VAULT;
use crate::token::provisioned;

const KVOPS: &str = env!("CARGO_BIN_EXE_kvops");

/// Runs a shell script inside a proxy for the application.
fn exec(bench: &Bench, app: &App, flags: &[&str], script: &str) -> Ran {
    let usual = ["proxy", "exec", "--app", &app.app_id, "--vault", VAULT, "--name", "billing"];
    bench.kvops(&[&usual, flags, &["--", "sh", "-c", script]].concat())
}

#[test]
fn a_program_for_azure_takes_the_applications_token_in_every_shape_without_a_line_of_code() {
    let bench = Bench::tame();
    let (app, _) = provisioned(&bench);
    let script = format!("exec {KVOPS} -v cert list --vault {VAULT} --credential mi");
    for identity in ["all", "app-service", "imds", "cloud-shell"] {
        // The application may not list certificates, and the refusal says who asked.
        let ran = exec(&bench, &app, &["--identity", identity], &script).ends_with(3);
        assert!(ran.stderr.contains(&app.app_id) && ran.stderr.contains(" of this "), "{identity}: {}", ran.stderr);
    }
}

#[test]
fn the_command_has_its_own_exit_code_and_the_caller_sees_no_key() {
    let bench = Bench::tame();
    let (app, _) = provisioned(&bench);
    let ran = exec(&bench, &app, &[], "echo $IDENTITY_ENDPOINT; exit 7").ends_with(7);
    let endpoint = ran.stdout.trim();
    assert!(endpoint.starts_with("http://127.0.0.1:") && endpoint.ends_with("/msi/token"), "{endpoint}");
    assert!(ran.stderr.contains(&app.app_id), "{}", ran.stderr);
    exec(&bench, &app, &[], "kill -TERM $$").ends_with(143);
    let ran = exec(&bench, &app, &[], "printf %s $KVOPS_PROXY_KEY").ends_with(0);
    assert_eq!(ran.stdout.len(), 43);
    assert!(!ran.stderr.contains(&ran.stdout));
    exec(&bench, &app, &["--identity", "none"], "true").ends_with(2);
    let missing =
        ["proxy", "exec", "--app", &app.app_id, "--vault", VAULT, "--name", "billing", "--", "no-such-program"];
    assert!(bench.kvops(&missing).ends_with(2).stderr.contains("no-such-program"));
}

#[test]
fn the_command_is_told_of_the_proxy_and_of_no_other_identity() {
    let mut bench = Bench::tame();
    let (app, _) = provisioned(&bench);
    bench.set("IDENTITY_SERVER_THUMBPRINT", "00");
    bench.set("MSI_SECRET", "secret");
    bench.set("NO_PROXY", "intranet");
    let ran = exec(&bench, &app, &["--identity", "app-service"], "env").ends_with(0);
    let of = |name: &str| {
        let lines = ran.stdout.lines().filter_map(|line| line.split_once('='));
        lines.filter(|(known, _)| *known == name).map(|(_, value)| value.to_owned()).next()
    };
    for absent in ["AZURE_CLIENT_SECRET", "IDENTITY_SERVER_THUMBPRINT", "MSI_SECRET", "MSI_ENDPOINT"] {
        assert_eq!(of(absent), None, "{absent}");
    }
    assert_eq!(of("AZURE_CLIENT_ID"), Some(app.app_id.clone()));
    assert_eq!(of("IDENTITY_HEADER"), of("KVOPS_PROXY_KEY"));
    assert!(of("NO_PROXY").unwrap().starts_with("intranet,") && of("NO_PROXY").unwrap().contains("127.0.0.1"));
}

#[test]
fn the_proxy_ends_with_its_command() {
    let bench = Bench::tame();
    let (app, _) = provisioned(&bench);
    let ran = exec(&bench, &app, &[], "echo $KVOPS_PROXY_URL").ends_with(0);
    let address = ran.stdout.trim().strip_prefix("http://").unwrap();
    assert!(TcpStream::connect(address).is_err(), "{address} still answers");
}

#[test]
fn nothing_is_started_that_nobody_has_said_whose_tokens_it_gets() {
    let bench = Bench::tame();
    let ran = bench.kvops(&["proxy", "exec", "--", "sh", "-c", "echo started"]).ends_with(2);
    assert!(ran.stdout.is_empty() && ran.stderr.contains("--app"), "{ran:?}");
}

#[test]
fn a_shell_learns_of_a_running_proxy_of_its_user_as_long_as_it_runs() {
    let bench = Bench::tame();
    let (app, _) = provisioned(&bench);
    let arguments =
        ["proxy", "--port", "0", "--app", &app.app_id, "--vault", VAULT, "--name", "billing", "--output", "json"];
    let mut proxy = bench.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(proxy.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let ready: Value = serde_json::from_str(&line).unwrap();
    let url = ready["listening"].as_str().unwrap();
    let port = url.rsplit(':').next().unwrap();

    let shown = bench.kvops(&["proxy", "env", "--port", port, "--shell", "json"]).ends_with(0).json();
    assert_eq!((&shown["KVOPS_PROXY_URL"], &shown["KVOPS_PROXY_KEY"]), (&ready["listening"], &ready["key"]));
    assert_eq!(shown["IDENTITY_ENDPOINT"], format!("{url}/msi/token"));
    let exports = bench.kvops(&["proxy", "env", "--port", port, "--identity", "imds"]).ends_with(0).stdout;
    assert!(exports.contains("export AZURE_POD_IDENTITY_AUTHORITY_HOST='http://127.0.0.1:"), "{exports}");
    assert!(!exports.contains("IDENTITY_ENDPOINT"), "{exports}");
    bench.kvops(&["proxy", "env", "--port", port, "--profile", "other"]).ends_with(2);

    Command::new("kill").arg("-TERM").arg(proxy.id().to_string()).status().unwrap();
    assert_eq!(proxy.wait().unwrap().code(), Some(0));
    let gone = bench.kvops(&["proxy", "env", "--port", port]).ends_with(2);
    assert!(gone.stderr.contains("kvops proxy"), "{}", gone.stderr);
    let left: Vec<_> = std::fs::read_dir(bench.file(".local/state/kvops")).unwrap().flatten().collect();
    assert!(left.iter().all(|file| !file.file_name().to_string_lossy().starts_with("proxy-")), "{left:?}");
}
