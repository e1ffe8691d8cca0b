//! `kvops lab` as a shell uses it.

use std::io::BufRead as _;
use std::io::BufReader;
use std::process::Child;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;

use serde_json::Value;
use tempfile::TempDir;

const KEYS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/target/lab-keys");

fn kvops(home: &TempDir, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kvops"));
    command.env_clear().env("HOME", home.path()).env("PATH", "/usr/bin:/bin").current_dir(home.path()).args(arguments);
    command
}

fn run(home: &TempDir, arguments: &[&str]) -> (i32, String, String) {
    ended(kvops(home, arguments).output().unwrap())
}

fn ended(output: Output) -> (i32, String, String) {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

/// `kvops lab exec` of a shell script in an empty lab, or with other flags.
fn exec(home: &TempDir, flags: &[&str], script: &str) -> (i32, String, String) {
    let seed = if flags.contains(&"--seed") { &[][..] } else { &["--seed", "empty"] };
    run(home, &[&["lab", "exec", "--keys", KEYS], seed, flags, &["--", "sh", "-c", script]].concat())
}

/// A lab served by another process, and its ready record.
struct Served {
    child: Child,
    ready: Value,
    stdout: BufReader<std::process::ChildStdout>,
}

impl Served {
    fn start(home: &TempDir, flags: &[&str]) -> Self {
        let arguments = [&["lab", "serve", "--port", "0", "--keys", KEYS], flags].concat();
        let mut child = kvops(home, &arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        Self { child, ready: serde_json::from_str(&line).unwrap(), stdout }
    }

    /// Asks it to stop as a service manager does; gives its exit code and what else it printed.
    fn stop(mut self) -> (Option<i32>, String) {
        Command::new("kill").arg("-TERM").arg(self.child.id().to_string()).status().unwrap();
        let mut rest = String::new();
        std::io::Read::read_to_string(&mut self.stdout, &mut rest).unwrap();
        (self.child.wait().unwrap().code(), rest)
    }
}

fn home() -> TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn a_command_ends_with_its_own_code_and_sees_the_lab() {
    let home = home();
    let (code, stdout, stderr) = exec(&home, &[], "echo $LAB_VAULT_URL; cat $LAB_CA; exit 7");
    assert_eq!(code, 7, "{stderr}");
    assert!(stdout.starts_with("https://contoso-kv.vault.localhost:"), "{stdout}");
    assert!(stdout.contains("BEGIN CERTIFICATE"));
    assert!(stderr.contains("This is a LAB"), "{stderr}");
    assert_eq!(exec(&home, &[], "true").0, 0);
    assert_eq!(exec(&home, &[], "kill -TERM $$").0, 143, "128 and the signal");
}

#[test]
fn the_program_inside_is_this_one_and_uses_the_lab() {
    let home = home();
    let script = "command -v kvops; kvops config show --output json";
    let (code, stdout, stderr) = exec(&home, &[], script);
    assert_eq!(code, 0, "{stderr}");
    assert!(stdout.starts_with(env!("CARGO_BIN_EXE_kvops")), "{stdout}");
    assert!(stdout.contains("\"lab\""), "{stdout}");
    let left: Vec<_> = std::fs::read_dir(home.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(left.is_empty(), "a lab around a command leaves nothing behind: {left:?}");
}

#[test]
fn the_callers_own_credentials_stay_outside() {
    let home = home();
    let script = "echo \"$AZURE_CLIENT_CERTIFICATE_PATH$AZURE_FEDERATED_TOKEN_FILE$KVOPS_VAULT_CREDENTIAL\"; \
                  test \"$AZURE_TENANT_ID\" = \"$LAB_TENANT\" && echo \"$NO_PROXY\"";
    let arguments = ["lab", "exec", "--seed", "empty", "--keys", KEYS, "--", "sh", "-c", script];
    let mut command = kvops(&home, &arguments);
    command
        .env("AZURE_CLIENT_CERTIFICATE_PATH", "/real.pem")
        .env("AZURE_FEDERATED_TOKEN_FILE", "/real.jwt")
        .env("KVOPS_VAULT_CREDENTIAL", "cli")
        .env("AZURE_TENANT_ID", "real")
        .env("NO_PROXY", "intranet");
    let (code, stdout, _) = ended(command.output().unwrap());
    assert_eq!((code, stdout.as_str()), (0, "\nintranet,localhost,.localhost,127.0.0.1,::1\n"));
}

#[test]
fn what_cannot_be_started_is_named() {
    let home = home();
    let (code, _, stderr) = run(&home, &["lab", "exec", "--seed", "empty", "--keys", KEYS, "--", "no-such-program"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("no-such-program"), "{stderr}");
    let (code, _, stderr) = exec(&home, &["--seed", "large"], "true");
    assert_eq!(code, 2);
    assert!(stderr.contains("`large` is no seed"), "{stderr}");
}

#[test]
fn a_served_lab_is_ready_found_seeded_and_stopped() {
    let home = home();
    let lab = Served::start(&home, &["--seed", "empty", "--random", "5"]);
    assert_eq!((&lab.ready["event"], &lab.ready["random"]), (&Value::from("ready"), &Value::from(5)));
    assert_eq!(lab.ready["vaults"].as_array().unwrap().len(), 1);
    assert!(!lab.ready.to_string().contains("SECRET"));

    let (code, exports, _) = run(&home, &["lab", "env"]);
    assert_eq!(code, 0);
    assert!(exports.contains(&format!("export LAB_AUTHORITY='{}'", lab.ready["authority"].as_str().unwrap())));
    assert!(exports.contains("export KVOPS_CLOUD='lab'") && exports.contains("export LAB_CLIENT_SECRET='"));

    let (code, _, stderr) = run(&home, &["lab", "seed", "small"]);
    assert_eq!(code, 0, "{stderr}");
    let (code, shown, stderr) = run(&home, &["--lab", "config", "show", "--output", "json"]);
    assert_eq!(code, 0, "{stderr}");
    assert!(shown.contains("\"lab\"") && stderr.contains("This is a LAB"), "{shown}{stderr}");

    let (code, rest) = lab.stop();
    assert_eq!((code, rest.as_str()), (Some(0), ""), "one record and nothing else");
    let (code, _, stderr) = run(&home, &["lab", "env"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("no lab is running") && stderr.contains("kvops lab serve"), "{stderr}");
}

#[test]
fn a_lab_is_saved_and_goes_on() {
    let home = home();
    let lab = Served::start(&home, &["--seed", "empty", "--save", "state.json", "--dir", "one"]);
    let tenant = lab.ready["tenant"].clone();
    assert_eq!(lab.stop().0, Some(0));
    let lab = Served::start(&home, &["--load", "state.json", "--dir", "two"]);
    assert_eq!(lab.ready["tenant"], tenant);
    assert_eq!(lab.stop().0, Some(0));
    let (code, _, stderr) = run(&home, &["lab", "serve", "--port", "0", "--load", "nothing.json"]);
    assert_eq!(code, 2);
    assert!(stderr.contains("nothing.json"), "{stderr}");
}

#[test]
fn a_signal_for_the_program_reaches_the_command() {
    let home = home();
    let script = "tail -f /dev/null & trap 'kill $!; echo told; exit 9' TERM; echo began; wait";
    let arguments = ["lab", "exec", "--seed", "empty", "--keys", KEYS, "--", "sh", "-c", script];
    let mut child = kvops(&home, &arguments).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    stdout.read_line(&mut line).unwrap();
    Command::new("kill").arg("-TERM").arg(child.id().to_string()).status().unwrap();
    line.clear();
    stdout.read_line(&mut line).unwrap();
    assert_eq!((line.as_str(), child.wait().unwrap().code()), ("told\n", Some(9)));
}
