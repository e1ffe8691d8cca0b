//! The power cut, at every request: before the service has seen it, and after it has acted. The same
//! command, run again, ends where an undisturbed run ends, and the application was never without a key.

use std::fs;

use kvops::ledger::verify;
use serde_json::Value;
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
    /// Whether a key of the vault is trusted already and works: then one has to work all the time.
    has_key: bool,
    start: Value,
    ledger: Option<Vec<u8>>,
}

impl Scenario {
    fn new(name: &'static str, bench: Bench, app: App, command: &[&'static str], has_key: bool) -> Self {
        let (start, ledger) = (bench.remembered(), fs::read(bench.ledger_file()).ok());
        Self { name, bench, app, command: command.to_vec(), has_key, start, ledger }
    }

    fn rewind(&self) {
        self.bench.back_to(&self.start, self.ledger.as_deref());
    }
}

const FIRST: [&str; 7] = ["provision", "--app", "billing", "--vault", VAULT, "--name", "billing"];
const SECOND: [&str; 7] = ["provision", "--app", "billing", "--vault", VAULT, "--name", "second"];
const ROTATE: [&str; 4] = ["rotate", "--app", "billing", "--accept-unknown-use"];

/// An application with a secret and without a certificate.
fn bench() -> (Bench, App) {
    let mut bench = Bench::realistic();
    let ledger = bench.ledger_file().display().to_string();
    bench.set("KVOPS_LEDGER", &ledger);
    let app = bench.application("billing");
    let path = format!("/v1.0/applications/{}/addPassword", app.id);
    bench.graph("POST", &path, &json!({ "passwordCredential": { "displayName": "old way" } }));
    bench.lab().clock().advance(time::Duration::minutes(10));
    (bench, app)
}

/// The same with a certificate that kvops made.
fn provisioned() -> (Bench, App) {
    let (bench, app) = bench();
    bench.kvops(&FIRST).ends_with(0);
    bench.lab().clock().advance(time::Duration::days(1));
    (bench, app)
}

/// The first certificate of an application: PATCH is the only way.
fn first() -> Scenario {
    let (bench, app) = bench();
    Scenario::new("provision by PATCH", bench, app, &FIRST, false)
}

/// The second: the first proves possession.
fn second() -> Scenario {
    let (bench, app) = provisioned();
    Scenario::new("provision by addKey", bench, app, &SECOND, true)
}

/// A rotation up to the soak, by addKey.
fn begun() -> Scenario {
    let (bench, app) = provisioned();
    Scenario::new("rotate up to the soak", bench, app, &ROTATE, true)
}

/// The rest of it, by removeKey, with the refusal and the disabling of the old version.
fn finished() -> Scenario {
    let (bench, app) = provisioned();
    bench.kvops(&ROTATE).ends_with(0);
    bench.lab().clock().advance(time::Duration::days(15));
    Scenario::new("rotate after the soak", bench, app, &ROTATE, true)
}

/// A whole rotation away from a version that can sign no more: by PATCH, and without an overlap.
fn replaced() -> Scenario {
    let (bench, app) = provisioned();
    let id = bench.vault("GET", "/certificates/billing", &Value::Null)["id"].as_str().unwrap().to_owned();
    let path = format!("/certificates/billing/{}", id.rsplit('/').next().unwrap());
    bench.vault("PATCH", &path, &json!({ "attributes": { "enabled": false } }));
    let command = [&ROTATE[..], &["--compromised"]].concat();
    Scenario::new("rotate by PATCH", bench, app, &command, false)
}

/// Which requests a test kills at: all are killed by several tests side by side.
#[derive(Clone, Copy, Debug)]
struct Share {
    moment: Moment,
    first: u32,
    of: u32,
}

/// Kills `scenario` at each request of the share, and gives the number of kill points.
fn killed_everywhere(scenario: &Scenario, share: Share) -> u32 {
    let Scenario { name, bench, app, command, has_key, .. } = scenario;
    let moment = share.moment;
    scenario.rewind();
    bench.spawn(command).wait().ends_with(0);
    let undisturbed = bench.end_state(app);
    for (points, point) in (0..).zip((share.first..).step_by(share.of as usize)) {
        scenario.rewind();
        let reached = match bench.killed_at(command, point, moment) {
            Ok(reached) => reached,
            Err(ran) => {
                ran.ends_with(0);
                return points;
            }
        };
        let at = format!("{name}, {moment:?} request {point} {reached}");
        assert!(!has_key || bench.would_mint(app), "{at}: no key works while the program is dead");
        let again = bench.spawn(command).wait();
        assert_eq!(again.exit, 0, "{at}: {again:?}");
        assert!(bench.would_mint(app), "{at}: no key works afterwards");
        assert_eq!(bench.end_state(app), undisturbed, "{at}: {again:?}");
        let ledger = verify(&fs::read(bench.ledger_file()).unwrap(), &[]);
        assert!(ledger.is_sound(), "{at}: {ledger:?}");
    }
    unreachable!("a run has an end")
}

#[expect(clippy::print_stdout, reason = "the number is part of the result")]
fn counted(scenario: &Scenario, moment: Moment, first: u32, of: u32) {
    let points = killed_everywhere(scenario, Share { moment, first, of });
    println!("{} killed {moment:?} its requests: {points} kill points", scenario.name);
    assert!(points >= 15, "only {points} kill points");
}

#[test]
fn a_first_certificate_survives_a_kill_before_each_request() {
    counted(&first(), Moment::Before, 0, 1);
}

#[test]
fn a_first_certificate_survives_a_kill_after_each_request() {
    counted(&first(), Moment::After, 0, 1);
}

#[test]
fn a_second_certificate_survives_a_kill_before_each_request() {
    counted(&second(), Moment::Before, 0, 1);
}

#[test]
fn a_second_certificate_survives_a_kill_after_each_request() {
    counted(&second(), Moment::After, 0, 1);
}

#[test]
fn a_rotation_up_to_the_soak_survives_a_kill_before_every_other_request() {
    counted(&begun(), Moment::Before, 0, 2);
}

#[test]
fn a_rotation_up_to_the_soak_survives_a_kill_before_the_others() {
    counted(&begun(), Moment::Before, 1, 2);
}

#[test]
fn a_rotation_up_to_the_soak_survives_a_kill_after_every_other_request() {
    counted(&begun(), Moment::After, 0, 2);
}

#[test]
fn a_rotation_up_to_the_soak_survives_a_kill_after_the_others() {
    counted(&begun(), Moment::After, 1, 2);
}

#[test]
fn a_rotation_after_the_soak_survives_a_kill_before_every_other_request() {
    counted(&finished(), Moment::Before, 0, 2);
}

#[test]
fn a_rotation_after_the_soak_survives_a_kill_before_the_others() {
    counted(&finished(), Moment::Before, 1, 2);
}

#[test]
fn a_rotation_after_the_soak_survives_a_kill_after_every_other_request() {
    counted(&finished(), Moment::After, 0, 2);
}

#[test]
fn a_rotation_after_the_soak_survives_a_kill_after_the_others() {
    counted(&finished(), Moment::After, 1, 2);
}

#[test]
fn a_rotation_by_patch_survives_a_kill_before_every_other_request() {
    counted(&replaced(), Moment::Before, 0, 2);
}

#[test]
fn a_rotation_by_patch_survives_a_kill_before_the_others() {
    counted(&replaced(), Moment::Before, 1, 2);
}

#[test]
fn a_rotation_by_patch_survives_a_kill_after_every_other_request() {
    counted(&replaced(), Moment::After, 0, 2);
}

#[test]
fn a_rotation_by_patch_survives_a_kill_after_the_others() {
    counted(&replaced(), Moment::After, 1, 2);
}
