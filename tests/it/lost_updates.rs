//! Somebody else writes the list of keys while we do, at each point of a run. Graph knows no condition on
//! a write, so whoever writes the list replaces what he has not seen; nothing may be lost by that for good.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kvops::lab::Service;
use serde_json::Value;
use serde_json::json;

use crate::support::App;
use crate::support::Bench;
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
    command: Vec<&'static str>,
    start: Value,
    /// The list before the run, as its owner would write it.
    before: Vec<Value>,
    theirs: Value,
}

fn foreign(name: &str) -> Value {
    let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
    let key = STANDARD.encode(made.cert.der());
    json!({ "type": "AsymmetricX509Cert", "usage": "Verify", "displayName": name, "key": key })
}

impl Race {
    fn new(certificates: &[&'static str]) -> Self {
        let bench = Bench::tame();
        let app = bench.application("billing");
        let (last, earlier) = certificates.split_last().unwrap();
        let command = |name| vec!["provision", "--app", "billing", "--vault", VAULT, "--name", name, "-o", "json"];
        let mut keys = vec![foreign("from before")];
        bench.graph("PATCH", &format!("/v1.0/applications/{}", app.id), &json!({ "keyCredentials": keys }));
        for name in earlier {
            bench.kvops(&command(name)).ends_with(0);
        }
        bench.lab().clock().advance(time::Duration::minutes(10));
        keys = bench.keys_of(&app);
        let start = bench.remembered();
        Self { bench, app, command: command(last), start, before: keys, theirs: foreign("theirs") }
    }

    /// The requests of the run to the directory, by their place among all.
    fn points(&self) -> Vec<(u32, String)> {
        let mark = self.bench.mark();
        self.bench.kvops(&self.command).ends_with(0);
        let requests = self.bench.lab().requests_since(mark);
        let to_graph = requests.into_iter().enumerate().filter(|(_, entry)| entry.service == Service::Graph);
        to_graph.map(|(at, entry)| (u32::try_from(at).unwrap(), format!("{} {}", entry.method, entry.route))).collect()
    }

    /// The other one writes just before the request number `point` acts. Gives the names that are on the
    /// application once our command has been run until it has nothing left to do.
    fn run(&self, point: u32, writer: Writer) -> Vec<String> {
        let Self { bench, app, .. } = self;
        bench.back_to(&self.start, None);
        let fault = json!({ "match": {}, "result": { "stall_ms": 150 }, "skip": point, "times": 1 });
        let held = bench.fault(&fault);
        let running = bench.spawn_until_held(&self.command, held);
        let mut list = match writer {
            Writer::Careful => bench.keys_of(app),
            Writer::Stale => self.before.clone(),
        };
        list.push(self.theirs.clone());
        bench.graph("PATCH", &format!("/v1.0/applications/{}", app.id), &json!({ "keyCredentials": list }));
        let ran = running.wait();
        assert!(matches!(ran.exit, 0 | 4 | 6), "{writer:?} before request {point}: {ran:?}");
        bench.no_faults();
        let again = bench.spawn(&self.command).wait();
        assert_eq!(again.exit, 0, "{writer:?} before request {point}: {ran:?}, and then {again:?}");
        bench.lab().clock().advance(time::Duration::minutes(10));
        let names = bench.keys_of(app).into_iter().map(|key| key["displayName"].as_str().unwrap().to_owned());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    /// The points at which something is missing in the end.
    fn losses(&self) -> Vec<String> {
        let ours = self.before.len() + 1;
        let mut losses = Vec::new();
        for (point, request) in self.points() {
            for writer in [Writer::Careful, Writer::Stale] {
                let names = self.run(point, writer);
                let kept = names.iter().filter(|name| *name != "theirs").count();
                assert_eq!(kept, ours, "{writer:?} before request {point}, {request}: {names:?}");
                if !names.contains(&"theirs".to_owned()) {
                    losses.push(format!("{writer:?} before {request}"));
                }
            }
        }
        losses
    }
}

#[test]
fn nothing_of_anybody_is_lost_where_a_key_proves_possession() {
    assert_eq!(Race::new(&["billing", "second"]).losses(), [""; 0]);
}

/// What is written between our reading and our `PATCH` nobody can see: Graph takes no condition, and
/// the list that we write is older than theirs. It is the one such moment, and the reason for `addKey`.
#[test]
fn by_patch_there_is_one_moment_that_the_directory_leaves_open_and_no_other() {
    let losses = Race::new(&["billing"]).losses();
    assert_eq!(losses, ["Careful before PATCH /v1.0/applications/{id}", "Stale before PATCH /v1.0/applications/{id}"]);
}
