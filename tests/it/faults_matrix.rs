//! Every request of a run, by everything that can become of it. Each cell ends in success, or in one
//! clear error from which the same command, run again, ends where an undisturbed run ends.

use std::collections::BTreeMap;
use std::fs;

use serde_json::Value;
use serde_json::json;

use crate::support::App;
use crate::support::Bench;
use crate::support::Ran;
use crate::support::VAULT;

/// What can become of a request: its name, what the lab does, and the exits that are allowed.
type Kind = (&'static str, Value, &'static [i32]);

const FAILED: &[i32] = &[0, 4];

fn turned_away() -> [Kind; 4] {
    [
        ("429 with Retry-After", json!({ "status": 429, "headers": { "Retry-After": "7" } }), FAILED),
        ("429", json!({ "status": 429 }), FAILED),
        ("500", json!({ "status": 500 }), FAILED),
        ("503", json!({ "status": 503 }), FAILED),
    ]
}

fn lost() -> [Kind; 4] {
    [
        ("reset before it acted", json!({ "drop": "before" }), FAILED),
        ("reset after it acted", json!({ "drop": "after" }), FAILED),
        ("stall and then a reset", json!({ "late_ms": 60, "drop": "after" }), FAILED),
        ("torn body", json!({ "torn": true }), FAILED),
    ]
}

/// A service that says no where it said yes a moment ago, as replicas do. Who is told that an
/// application or a certificate is not there may say so.
fn denied() -> [Kind; 3] {
    [
        ("403", json!({ "status": 403 }), &[0, 3, 4]),
        ("404", json!({ "status": 404 }), &[0, 2, 3, 4, 6]),
        ("400", json!({ "status": 400 }), &[0, 2, 3, 4]),
    ]
}

/// A command, and the world that it begins in.
struct Table {
    bench: Bench,
    app: App,
    command: Vec<&'static str>,
    start: Value,
    ledger: Option<Vec<u8>>,
    undisturbed: Value,
    /// The requests that matter, by their place in the run: the first and the last of each route.
    requests: Vec<(u32, String)>,
}

impl Table {
    fn new(bench: Bench, app: App, command: Vec<&'static str>) -> Self {
        let start = bench.remembered();
        let ledger = fs::read(bench.ledger_file()).ok();
        let mark = bench.mark();
        bench.kvops(&command).ends_with(0);
        let routes: Vec<String> = bench
            .lab()
            .requests_since(mark)
            .iter()
            .map(|entry| format!("{:?} {} {}", entry.service, entry.method, entry.route))
            .collect();
        let undisturbed = bench.end_state(&app);
        let mut of_route: BTreeMap<&String, (usize, usize)> = BTreeMap::new();
        for (index, route) in routes.iter().enumerate() {
            of_route.entry(route).or_insert((index, index)).1 = index;
        }
        let mut places: Vec<usize> = of_route.values().flat_map(|(first, last)| [*first, *last]).collect();
        places.sort_unstable();
        places.dedup();
        let requests = places.into_iter().map(|index| (u32::try_from(index).unwrap(), routes[index].clone())).collect();
        Self { bench, app, command, start, ledger, undisturbed, requests }
    }

    /// The first certificate of an application.
    fn first() -> Self {
        let (bench, app) = bench();
        Self::new(
            bench,
            app,
            vec!["provision", "--app", "billing", "--vault", VAULT, "--name", "billing", "-o", "json"],
        )
    }

    /// The second, for which the first proves possession; of its requests those that the first has not.
    fn second() -> Self {
        let first = Self::first();
        let known: Vec<String> = first.requests.into_iter().map(|(_, route)| route).collect();
        first.bench.lab().clock().advance(time::Duration::minutes(10));
        let command = vec!["provision", "--app", "billing", "--vault", VAULT, "--name", "second", "-o", "json"];
        let mut table = Self::new(first.bench, first.app, command);
        table
            .requests
            .retain(|(_, route)| !known.contains(route) || route.ends_with("/token") || route.ends_with("/sign"));
        table
    }

    /// A whole rotation, without an overlap; of its requests those that no provisioning has.
    fn rotation() -> Self {
        let second = Self::second();
        let first = Self::first();
        let known: Vec<String> = first.requests.into_iter().chain(second.requests).map(|(_, route)| route).collect();
        first.bench.lab().clock().advance(time::Duration::days(1));
        let command = vec!["rotate", "--app", "billing", "--compromised", "--accept-unknown-use", "-o", "json"];
        let mut table = Self::new(first.bench, first.app, command);
        let is_its_own = |route: &String| !known.contains(route) || route.contains("PATCH /certificates");
        table.requests.retain(|(_, route)| is_its_own(route));
        table
    }

    /// Breaks each request in each way, and gives the number of cells.
    fn broken(&self, kinds: &[Kind]) -> usize {
        for (index, route) in &self.requests {
            for (kind, result, exits) in kinds {
                let at = format!("{kind} at request {index}, {route}");
                self.bench.back_to(&self.start, self.ledger.as_deref());
                self.bench.fault(&json!({ "match": {}, "result": result, "skip": index, "times": 1 }));
                self.ends_well(&at, exits);
            }
        }
        self.requests.len() * kinds.len()
    }

    /// The service is gone from a request on, and comes back for the next run.
    fn gone(&self) -> usize {
        for (index, route) in &self.requests {
            let at = format!("an outage from request {index}, {route}");
            self.bench.back_to(&self.start, self.ledger.as_deref());
            self.bench.fault(&json!({ "match": {}, "result": { "status": 503 }, "skip": index }));
            self.ends_well(&at, FAILED);
        }
        self.requests.len()
    }

    fn ends_well(&self, at: &str, exits: &[i32]) {
        let ran = self.bench.spawn(&self.command).wait();
        self.bench.no_faults();
        assert!(exits.contains(&ran.exit), "{at}: {ran:?}");
        if ran.exit != 0 {
            is_one_clear_error(at, &ran);
            let again = self.bench.spawn(&self.command).wait();
            assert_eq!(again.exit, 0, "{at}: {ran:?}, and then {again:?}");
        }
        let (mut left, mut undisturbed) = (self.bench.end_state(&self.app), self.undisturbed.clone());
        // Who is not shown everybody that may trust a version leaves it enabled, and says so.
        if ran.exit == 0 && ran.stderr.contains("needs the Graph permission Application.Read.All") {
            [&mut left, &mut undisturbed].into_iter().for_each(forget_what_is_enabled);
        }
        assert_eq!(left, undisturbed, "{at}: {ran:?}");
    }
}

fn bench() -> (Bench, App) {
    let mut bench = Bench::realistic();
    let ledger = bench.ledger_file().display().to_string();
    bench.set("KVOPS_LEDGER", &ledger);
    let app = bench.application("billing");
    (bench, app)
}

fn forget_what_is_enabled(state: &mut Value) {
    for version in state["versions"].as_object_mut().unwrap().values_mut() {
        version["enabled"] = Value::Null;
    }
}

fn is_one_clear_error(at: &str, ran: &Ran) {
    let blocks = ran.stderr.lines().filter(|line| line.starts_with("{\"error\"")).count();
    assert_eq!(blocks, 1, "{at}: {ran:?}");
    let message = ran.error()["message"].as_str().unwrap().to_owned();
    assert!(message.len() > 20, "{at}: {message}");
    assert!(ran.stdout.is_empty(), "{at}: a failed run gave a result: {ran:?}");
}

#[expect(clippy::print_stdout, reason = "the number is part of the result")]
fn count(what: &str, cells: usize) {
    println!("{what}: {cells} cells");
    assert!(cells >= 10, "only {cells} cells");
}

#[test]
fn a_first_certificate_survives_being_turned_away_at_each_request() {
    count("turned away", Table::first().broken(&turned_away()));
}

#[test]
fn a_first_certificate_survives_the_loss_of_each_request_and_each_answer() {
    count("lost", Table::first().broken(&lost()));
}

#[test]
fn a_first_certificate_survives_a_refusal_of_each_request() {
    count("refused", Table::first().broken(&denied()));
}

#[test]
fn a_first_certificate_survives_an_outage_that_begins_at_any_request() {
    count("outage", Table::first().gone());
}

#[test]
fn a_second_certificate_survives_all_of_that_where_the_first_proves_possession() {
    let table = Table::second();
    let kinds: Vec<Kind> = turned_away().into_iter().chain(lost()).chain(denied()).collect();
    count("addKey", table.broken(&kinds) + table.gone());
}

#[test]
fn a_rotation_survives_all_of_that_where_it_does_what_a_provisioning_does_not() {
    let table = Table::rotation();
    let kinds: Vec<Kind> = turned_away().into_iter().chain(lost()).chain(denied()).collect();
    count("rotation", table.broken(&kinds) + table.gone());
}
