//! The power cut, at every request: before the service has seen it, and after it has acted. The same
//! command, run again, ends where an undisturbed run ends, and the application was never without a key.

use std::fs;

use kvops::ledger::verify;
use serde_json::json;

use crate::support::App;
use crate::support::Bench;
use crate::support::Moment;
use crate::support::VAULT;

/// A command that is killed, and the world that it begins in.
struct Scenario {
    name: &'static str,
    bench: Bench,
    app: App,
    command: Vec<&'static str>,
    /// Whether a key of the vault is trusted already, which then has to work all the time.
    has_key: bool,
}

/// The first certificate of an application: a secret is all that it had, and PATCH is the only way.
fn first() -> Scenario {
    let mut bench = Bench::realistic();
    let ledger = bench.ledger_file().display().to_string();
    bench.set("KVOPS_LEDGER", &ledger);
    let app = bench.application("billing");
    let path = format!("/v1.0/applications/{}/addPassword", app.id);
    bench.graph("POST", &path, &json!({ "passwordCredential": { "displayName": "old way" } }));
    bench.lab().clock().advance(time::Duration::minutes(10));
    let command = vec!["provision", "--app", "billing", "--vault", VAULT, "--name", "billing"];
    Scenario { name: "provision by PATCH", bench, app, command, has_key: false }
}

/// The second: the first proves possession.
fn second() -> Scenario {
    let scenario = first();
    scenario.bench.kvops(&scenario.command).ends_with(0);
    scenario.bench.lab().clock().advance(time::Duration::minutes(10));
    let command = vec!["provision", "--app", "billing", "--vault", VAULT, "--name", "second"];
    Scenario { name: "provision by addKey", command, has_key: true, ..scenario }
}

/// Kills `scenario` at each request, and gives the number of kill points.
fn killed_everywhere(scenario: &Scenario, moment: Moment) -> u32 {
    let Scenario { name, bench, app, command, has_key } = scenario;
    let start = bench.remembered();
    bench.back_to(&start, None);
    bench.kvops(command).ends_with(0);
    let undisturbed = bench.end_state(app);
    for point in 0.. {
        bench.back_to(&start, None);
        let reached = match bench.killed_at(command, point, moment) {
            Ok(reached) => reached,
            Err(ran) => {
                ran.ends_with(0);
                return point;
            }
        };
        let at = format!("{name}, {moment:?} request {point} {reached}");
        assert!(!has_key || bench.mints_by_some_key(app), "{at}: no key works while the program is dead");
        let again = bench.spawn(command).wait();
        assert_eq!(again.exit, 0, "{at}: {again:?}");
        assert!(!has_key || bench.mints_by_some_key(app), "{at}: no key works afterwards");
        assert_eq!(bench.end_state(app), undisturbed, "{at}");
        let ledger = verify(&fs::read(bench.ledger_file()).unwrap(), &[]);
        assert!(ledger.is_sound(), "{at}: {ledger:?}");
    }
    unreachable!("a run has an end")
}

#[expect(clippy::print_stdout, reason = "the number is part of the result")]
fn counted(scenario: &Scenario, moment: Moment, least: u32) {
    let points = killed_everywhere(scenario, moment);
    println!("killed {moment:?} each request of {}: {points} kill points", scenario.name);
    assert!(points >= least, "only {points} kill points");
}

#[test]
fn a_first_certificate_survives_a_kill_before_each_request() {
    counted(&first(), Moment::Before, 20);
}

#[test]
fn a_first_certificate_survives_a_kill_after_each_request() {
    counted(&first(), Moment::After, 20);
}

#[test]
fn a_second_certificate_survives_a_kill_before_each_request() {
    counted(&second(), Moment::Before, 20);
}

#[test]
fn a_second_certificate_survives_a_kill_after_each_request() {
    counted(&second(), Moment::After, 20);
}
