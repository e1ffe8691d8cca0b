//! Somebody else writes the list of keys while we do, at each point of a run. Graph knows no condition on
//! a write, so whoever writes the list replaces what he has not seen; nothing may be lost by that for good.

use std::fs;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kvops::lab::Service;
use serde_json::Value;
use serde_json::json;

use crate::support::App;
use crate::support::Bench;
use crate::support::Ran;
use crate::support::VAULT;

/// How the other one writes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Writer {
    /// Adds an entry to the list as it is now.
    Careful,
    /// Adds an entry to the list as it was before our run began.
    Stale,
}

struct Race {
    bench: Bench,
    app: App,
    command: Vec<String>,
    /// What finishes it, should it not have ended, and how that may end.
    again: (Vec<String>, &'static [i32]),
    start: Value,
    ledger: Option<Vec<u8>>,
    /// The list before the run, as its owner would write it.
    before: Vec<Value>,
    theirs: Value,
}

fn foreign(name: &str) -> Value {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    let key = STANDARD.encode(made.cert.der());
    json!({ "type": "AsymmetricX509Cert", "usage": "Verify", "displayName": name, "key": key })
}

fn words(command: &[&str]) -> Vec<String> {
    command.iter().map(|word| (*word).to_owned()).collect()
}

fn provision(name: &str) -> Vec<String> {
    words(&["provision", "--app", "billing", "--vault", VAULT, "--name", name, "-o", "json"])
}

/// An application with a certificate of somebody else and one of kvops for each name.
fn with_certificates(names: &[&str]) -> (Bench, App) {
    let mut bench = Bench::tame();
    let ledger = bench.ledger_file().display().to_string();
    bench.set("KVOPS_LEDGER", &ledger);
    let app = bench.application("billing");
    let keys = [foreign("from before")];
    bench.graph("PATCH", &format!("/v1.0/applications/{}", app.id), &json!({ "keyCredentials": keys }));
    for name in names {
        bench.run(&provision(name)).ends_with(0);
    }
    bench.lab().clock().advance(time::Duration::days(1));
    (bench, app)
}

impl Bench {
    fn run(&self, command: &[String]) -> Ran {
        self.kvops(&command.iter().map(String::as_str).collect::<Vec<_>>())
    }
}

impl Race {
    fn new((bench, app): (Bench, App), command: Vec<String>) -> Self {
        let (before, start) = (bench.keys_of(&app), bench.remembered());
        let ledger = fs::read(bench.ledger_file()).ok();
        let again = (command.clone(), &[0][..]);
        Self { bench, app, command, again, start, ledger, before, theirs: foreign("theirs") }
    }

    /// The same, finished by another command.
    fn finished_by(self, command: Vec<String>, exits: &'static [i32]) -> Self {
        Self { again: (command, exits), ..self }
    }

    /// The requests of the run to the directory, by their place among all, and what an undisturbed
    /// run leaves on the application.
    fn undisturbed(&self) -> (Vec<(u32, String)>, Vec<Value>) {
        let mark = self.bench.mark();
        self.bench.run(&self.command).ends_with(0);
        let requests = self.bench.lab().requests_since(mark);
        let to_graph = requests.into_iter().enumerate().filter(|(_, entry)| entry.service == Service::Graph);
        let points = to_graph
            .map(|(at, entry)| (u32::try_from(at).unwrap(), format!("{} {}", entry.method, entry.route)))
            .collect();
        (points, self.trusted())
    }

    fn trusted(&self) -> Vec<Value> {
        self.bench.end_state(&self.app)["trusted"].as_array().unwrap().clone()
    }

    /// The other one writes just before the request number `point` acts. Gives what is on the
    /// application once our command has been run again.
    fn run(&self, point: u32, writer: Writer) -> Vec<Value> {
        let Self { bench, app, .. } = self;
        bench.back_to(&self.start, self.ledger.as_deref());
        let fault = json!({ "match": {}, "result": { "stall_ms": 150 }, "skip": point, "times": 1 });
        let held = bench.fault(&fault);
        let command: Vec<&str> = self.command.iter().map(String::as_str).collect();
        let running = bench.spawn_until_held(&command, held);
        let mut list = match writer {
            Writer::Careful => bench.keys_of(app),
            Writer::Stale => self.before.clone(),
        };
        list.push(self.theirs.clone());
        bench.graph("PATCH", &format!("/v1.0/applications/{}", app.id), &json!({ "keyCredentials": list }));
        let ran = running.wait();
        assert!(matches!(ran.exit, 0 | 4 | 6 | 7), "{writer:?} before request {point}: {ran:?}");
        bench.no_faults();
        let (finish, exits) = &self.again;
        let finish: Vec<&str> = finish.iter().map(String::as_str).collect();
        let again = bench.spawn(&finish).wait();
        assert!(exits.contains(&again.exit), "{writer:?} before request {point}: {ran:?}, and then {again:?}");
        self.trusted()
    }

    /// The points at which theirs is missing in the end. Ours is there as without them, each entry once;
    /// what we removed they may have put back.
    fn losses(&self) -> Vec<String> {
        let (points, undisturbed) = self.undisturbed();
        assert!(points.len() > 5, "{points:?}");
        let mut losses = Vec::new();
        for (point, request) in points {
            for writer in [Writer::Careful, Writer::Stale] {
                let (theirs, mut ours): (Vec<Value>, Vec<Value>) =
                    self.run(point, writer).into_iter().partition(|entry| entry[3] == "theirs");
                ours.retain(|entry| undisturbed.contains(entry));
                assert_eq!(ours, undisturbed, "{writer:?} before request {point}, {request}");
                if theirs.is_empty() {
                    losses.push(format!("{writer:?} before {request}"));
                }
            }
        }
        losses
    }
}

#[test]
fn nothing_of_anybody_is_lost_where_a_key_proves_possession() {
    let race = Race::new(with_certificates(&["billing"]), provision("second"));
    assert_eq!(race.losses(), [""; 0]);
}

/// What is written between our reading and our `PATCH` nobody can see: Graph takes no condition, and
/// the list that we write is older than theirs. It is the one such moment, and the reason for `addKey`.
#[test]
fn by_patch_there_is_one_moment_that_the_directory_leaves_open_and_no_other() {
    let losses = Race::new(with_certificates(&[]), provision("billing")).losses();
    assert_eq!(losses, ["Careful before PATCH /v1.0/applications/{id}", "Stale before PATCH /v1.0/applications/{id}"]);
}

/// Lets `command` begin to write the list at `path`, and removes the entry called `from before` meanwhile.
fn with_a_removal_before_its_patch(bench: &Bench, path: &str, command: &[&str]) -> Ran {
    let fault = json!({ "match": { "method": "PATCH", "path": path }, "result": { "stall_ms": 300 }, "times": 1 });
    let running = bench.spawn_until_held(command, bench.fault(&fault));
    let read = bench.graph("GET", &format!("{path}?$select=keyCredentials"), &Value::Null);
    let mut list = read["keyCredentials"].as_array().unwrap().clone();
    list.retain(|entry| entry["displayName"] != "from before");
    bench.graph("PATCH", path, &json!({ "keyCredentials": list }));
    running.wait().ends_with(0)
}

fn names(bench: &Bench, path: &str) -> Vec<String> {
    let read = bench.graph("GET", &format!("{path}?$select=keyCredentials"), &Value::Null);
    let names = read["keyCredentials"].as_array().unwrap().iter().map(|key| key["displayName"].as_str().unwrap());
    names.map(str::to_owned).collect()
}

#[test]
fn a_certificate_is_added_although_somebody_removes_an_entry_just_before_the_list_is_written() {
    let (bench, app) = with_certificates(&[]);
    let path = format!("/v1.0/applications/{}", app.id);
    let command = ["provision", "--app", "billing", "--vault", VAULT, "--name", "billing"];
    with_a_removal_before_its_patch(&bench, &path, &command);
    assert_eq!(names(&bench, &path), ["CN=billing.contoso.internal"]);
}

#[test]
fn a_certificate_is_removed_although_somebody_removes_another_just_before_the_list_is_written() {
    let (bench, app) = with_certificates(&["billing"]);
    let principal = bench.graph("GET", &format!("/v1.0/servicePrincipals(appId='{}')", app.app_id), &Value::Null);
    let path = format!("/v1.0/servicePrincipals/{}", principal["id"].as_str().unwrap());
    let keys = [foreign("from before"), foreign("to go"), foreign("to stay")];
    bench.graph("PATCH", &path, &json!({ "keyCredentials": keys }));
    let read = bench.graph("GET", &format!("{path}?$select=keyCredentials"), &Value::Null);
    let key = read["keyCredentials"][1]["keyId"].as_str().unwrap().to_owned();
    let on = ["--on", "service-principal", "--reason", "unused", "--vault", VAULT, "--name", "billing"];
    let command = [&["detach", "--app", "billing", "--key", &key, "--accept-unknown-use"], &on[..]].concat();
    with_a_removal_before_its_patch(&bench, &path, &command);
    assert_eq!(names(&bench, &path), ["to stay"]);
}

#[test]
fn nothing_of_anybody_is_lost_while_a_rotation_adds_and_removes() {
    let rotate = ["rotate", "--app", "billing", "--vault", VAULT, "--name", "billing", "--accept-unknown-use"];
    let command = words(&[&rotate[..], &["--compromised", "-o", "json"]].concat());
    // A rotation that has ended is not begun anew.
    let finish = words(&[&rotate[..], &["--finish", "--overlap", "0", "-o", "json"]].concat());
    let race = Race::new(with_certificates(&["billing"]), command).finished_by(finish, &[0]);
    assert_eq!(race.losses(), [""; 0]);
}

#[test]
fn nothing_of_anybody_is_lost_while_a_certificate_is_removed() {
    let (bench, app) = with_certificates(&["billing", "second"]);
    let second = bench.vault("GET", "/certificates/second", &Value::Null)["tags"]["kvops-keyid"].clone();
    let key = second.as_str().unwrap();
    let remaining = ["--vault", VAULT, "--name", "billing"];
    let command =
        [&["detach", "--app", "billing", "--key", key, "--despite-use", "-o", "json"], &remaining[..]].concat();
    // What is gone already is named in vain.
    let race = Race::new((bench, app), words(&command)).finished_by(words(&command), &[0, 2]);
    assert_eq!(race.losses(), [""; 0]);
}
