//! `kvops proxy` as a program: how it starts, what it says, how it ends.

use std::io::BufRead as _;
use std::io::BufReader;
use std::io::Read as _;
use std::io::Write as _;
use std::net::TcpStream;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use serde_json::Value;

use crate::support::Bench;
use crate::support::VAULT;
use crate::support::for_certificate;
use crate::token::provisioned;

/// A proxy that is ready.
struct Started {
    child: Child,
    stdout: BufReader<std::process::ChildStdout>,
    url: String,
    key: Option<String>,
}

impl Started {
    fn new(bench: &Bench, arguments: &[&str]) -> Self {
        let mut command = bench.command(&[&["proxy", "--port", "0"], arguments].concat());
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening=").unwrap_or_else(|| panic!("{line}")).to_owned();
        Self { child, stdout, url, key: None }
    }

    fn with_key(bench: &Bench, arguments: &[&str]) -> Self {
        let mut started = Self::new(bench, arguments);
        let mut line = String::new();
        started.stdout.read_line(&mut line).unwrap();
        started.key = Some(line.trim().strip_prefix("key=").unwrap_or_else(|| panic!("{line}")).to_owned());
        started
    }

    /// Asks for a token.
    fn ask(&self, body: &Value) -> (u16, Value) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            let mut request = client.post(format!("{}/api/Token/kv-certificate", self.url)).json(body);
            if let Some(key) = &self.key {
                request = request.bearer_auth(key);
            }
            let answer = request.send().await.unwrap();
            (answer.status().as_u16(), answer.json().await.unwrap())
        })
    }

    /// Sends a signal, and gives the exit code, the rest of standard output, and standard error.
    fn end(mut self, signal: &str) -> (i32, String, String) {
        assert!(Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap().success());
        let (mut rest, mut stderr) = (String::new(), String::new());
        self.stdout.read_to_string(&mut rest).unwrap();
        self.child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
        (self.child.wait().unwrap().code().unwrap_or(-1), rest, stderr)
    }
}

fn for_billing(app: &str) -> [&str; 6] {
    ["--app", app, "--vault", VAULT, "--name", "billing"]
}

#[test]
fn px01_px02_and_px03_it_says_where_it_listens_on_standard_output_and_the_rest_on_standard_error() {
    let bench = Bench::tame();
    let (app, _) = provisioned(&bench);
    for signal in ["-INT", "-TERM"] {
        let proxy = Started::with_key(&bench, &for_billing(&app.app_id));
        assert!(proxy.url.starts_with("http://127.0.0.1:"), "{}", proxy.url);
        assert_eq!(proxy.key.as_ref().unwrap().len(), 43);
        let (status, body) = proxy.ask(&for_certificate(&bench, &app));
        assert_eq!(status, 200, "{body}");
        let (exit, rest, stderr) = proxy.end(signal);
        assert_eq!((exit, rest.as_str()), (0, ""), "{stderr}");
        let identity = format!("by the identity application {}", bench.variable("LAB_CLIENT_ID"));
        for said in [app.app_id.as_str(), "billing in contoso-kv", "Ctrl-C", &identity, "(env)"] {
            assert!(stderr.contains(said), "{said} is missing: {stderr}");
        }
    }
    bench.kvops(&["proxy", "--nonsense"]).ends_with(2);
}

#[test]
fn nothing_that_says_which_tokens_is_no_reason_to_hand_out_all_of_them() {
    let bench = Bench::tame();
    let error = bench.kvops(&["proxy", "--port", "0", "--output", "json"]).ends_with(2).error();
    assert!(error["message"].as_str().unwrap().contains("which tokens"), "{error}");
    let hints = error["hints"].to_string();
    assert!(hints.contains("proxy.profiles") && hints.contains("--compat-open"), "{hints}");
    let listening = ["proxy", "--listen", "0.0.0.0:0", "--app", "x", "--vault", VAULT, "--name", "billing"];
    bench.kvops(&listening).ends_with(2);
    bench.kvops(&["proxy", "--profile", "absent"]).ends_with(2);
}

#[test]
fn compat_open_is_said_loudly_and_asks_for_no_key() {
    let bench = Bench::tame();
    let (app, _) = provisioned(&bench);
    let proxy = Started::new(&bench, &["--compat-open", "--quiet"]);
    let (status, body) = proxy.ask(&for_certificate(&bench, &app));
    assert_eq!(status, 200, "{body}");
    let (exit, _, stderr) = proxy.end("-INT");
    assert_eq!(exit, 0, "{stderr}");
    assert!(stderr.contains("warning: --compat-open: every program on this machine"), "{stderr}");
}

#[test]
fn profiles_come_from_the_configuration_and_take_what_they_lack_from_the_applications_table() {
    let bench = Bench::tame();
    let (app, _) = provisioned(&bench);
    let mut config = std::fs::read_to_string(bench.file("kvops.toml")).unwrap();
    config.push_str(&format!(
        "\n[app.billing]\napp = \"{}\"\nvault = \"{VAULT}\"\ncertificate = \"billing\"\n\n\
         [proxy.profiles.graph]\napp = \"billing\"\nscopes = [\"{}\"]\n",
        app.app_id,
        bench.graph_scope().trim_end_matches("/.default")
    ));
    std::fs::write(bench.file("kvops.toml"), config).unwrap();
    let proxy = Started::with_key(&bench, &["--profile", "graph"]);
    let mut body = for_certificate(&bench, &app);
    assert_eq!(proxy.ask(&body).0, 200);
    body["scopes"] = serde_json::json!([bench.vault_scope()]);
    let (status, refused) = proxy.ask(&body);
    assert_eq!((status, &refused["rule"]), (403, &serde_json::json!("profile-scope")), "{refused}");
    let (exit, _, stderr) = proxy.end("-TERM");
    assert_eq!(exit, 0, "{stderr}");
    assert!(stderr.contains("profile graph is that of"), "{stderr}");
}

#[test]
fn px08_nothing_that_it_writes_down_holds_a_token_or_the_key_at_the_loudest_setting() {
    let mut bench = Bench::tame();
    let (app, _) = provisioned(&bench);
    bench.set("KVOPS_LOG", "trace");
    bench.set("RUST_LOG", "trace");
    let ledger = bench.file("ledger.jsonl").display().to_string();
    bench.set("KVOPS_LEDGER", &ledger);
    let proxy = Started::with_key(&bench, &[&for_billing(&app.app_id)[..], &["-vv", "--trace"]].concat());
    let key = proxy.key.clone().unwrap();
    let body = for_certificate(&bench, &app);
    let (status, answer) = proxy.ask(&body);
    assert_eq!(status, 200, "{answer}");
    let mut other = body;
    other["certificateName"] = "payroll".into();
    assert_eq!(proxy.ask(&other).0, 403);
    let wrong = Started { key: Some(format!("{key}x")), ..proxy };
    assert_eq!(wrong.ask(&other).0, 401);
    let (_, _, stderr) = wrong.end("-INT");
    let written = stderr + &std::fs::read_to_string(&ledger).unwrap();
    assert!(written.contains("kv-certificate") && written.contains("mint"), "nothing was written");
    for secret in ["eyJ", key.as_str(), &bench.variable("LAB_CLIENT_SECRET")] {
        assert!(!written.contains(secret), "{secret} was written:\n{written}");
    }
}

#[test]
fn a_proxy_that_nobody_uses_ends_by_itself() {
    let bench = Bench::tame();
    let (app, _) = provisioned(&bench);
    let ran = bench.kvops(&[&["proxy", "--port", "0", "--idle", "1s"], &for_billing(&app.app_id)[..]].concat());
    assert!(ran.ends_with(0).stderr.contains("nobody has asked"));
}

#[test]
#[cfg(target_os = "linux")]
#[expect(clippy::print_stdout, reason = "captured by the test harness")]
fn ten_thousand_connections_at_a_time_are_all_served_and_memory_levels_off() {
    let most = 10_000.min(crate::support::most_files() - 1_000);
    let bench = Bench::tame();
    let (app, _) = provisioned(&bench);
    let many = ["--max-connections", "10500"];
    let proxy = Started::with_key(&bench, &[&for_billing(&app.app_id)[..], &many].concat());
    let address = proxy.url.strip_prefix("http://").unwrap().to_owned();
    let request = format!("GET /healthz HTTP/1.1\r\nHost: {address}\r\n\r\n");
    let resident = || {
        let status = std::fs::read_to_string(format!("/proc/{}/status", proxy.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<usize>().unwrap() / 1024
    };
    let mut seen = Vec::new();
    for _ in 0..5 {
        // The first is left for saying nothing after 15 s, so a busy machine does not get to the last.
        let begun = Instant::now();
        let mut connections = Vec::new();
        while connections.len() < most && begun.elapsed() < Duration::from_secs(5) {
            let mut connection = TcpStream::connect(&address).unwrap();
            connection.write_all(request.as_bytes()).unwrap();
            connections.push(connection);
        }
        for connection in &mut connections {
            let mut status = [0; 15];
            connection.read_exact(&mut status).unwrap();
            assert_eq!(&status, b"HTTP/1.1 200 OK");
        }
        println!("{} connections", connections.len());
        seen.push(resident());
        assert_eq!(proxy.ask(&for_certificate(&bench, &app)).0, 200, "a token among them");
    }
    println!("MiB resident with all of them open: {seen:?}");
    assert!(seen[4] <= seen[2] + seen[2] / 5, "{seen:?}");
    assert_eq!(proxy.end("-TERM").0, 0);
}
