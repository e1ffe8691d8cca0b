//! The ledger on a bad day: several programs at once, a disk that is full, and the story of one application.

use std::fs;
use std::process::Command;
use std::process::Output;

use kvops::ledger::entries;
use kvops::ledger::verify;
use serde_json::Value;
use serde_json::json;

use crate::support::Bench;
use crate::support::Ran;
use crate::support::VAULT;

const BILLING: [&str; 7] = ["provision", "--app", "billing", "--vault", VAULT, "--name", "billing"];
const PAYROLL: [&str; 7] = ["provision", "--app", "payroll", "--vault", VAULT, "--name", "payroll"];

fn bench() -> Bench {
    let mut bench = Bench::tame();
    let path = bench.ledger_file().display().to_string();
    bench.set("KVOPS_LEDGER", &path);
    bench.application("billing");
    bench.application("payroll");
    bench
}

#[test]
fn two_programs_that_write_at_once_lose_nothing() {
    let bench = bench();
    let held = bench.fault(&json!({ "match": { "path": "/create" }, "result": { "stall_ms": 200 }, "times": 2 }));
    let one = bench.spawn_until_held(&BILLING, held);
    let other = bench.spawn(&PAYROLL);
    one.wait().ends_with(0);
    other.wait().ends_with(0);
    let text = fs::read(bench.ledger_file()).unwrap();
    let verified = verify(&text, &[]);
    assert_eq!((verified.entries, &verified.damage[..]), (18, &[][..]));
    let mut lines: std::collections::BTreeMap<_, usize> = std::collections::BTreeMap::new();
    for entry in entries(&text) {
        *lines.entry(entry.run).or_default() += 1;
    }
    assert_eq!(lines.into_values().collect::<Vec<_>>(), [9, 9]);
}

#[test]
fn a_full_disk_stops_the_run_before_the_first_write() {
    let mut bench = bench();
    bench.set("KVOPS_LEDGER", "/dev/full");
    let before = bench.lab().counts().writes;
    let ran = bench.kvops(&BILLING).ends_with(2);
    assert!(ran.stderr.contains("the ledger /dev/full cannot be"), "{}", ran.stderr);
    assert_eq!(bench.lab().counts().writes, before);
}

/// The program, in whose file there is room for so many blocks of 512 bytes.
fn with_room_for(bench: &Bench, blocks: u32) -> Ran {
    let program = bench.command(&BILLING);
    let mut shell = Command::new("/bin/sh");
    shell.args(["-c", &format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" \"$@\"")]);
    shell.arg(program.get_program()).args(program.get_args()).env_clear();
    shell.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let output: Output = shell.current_dir(program.get_current_dir().unwrap()).output().unwrap();
    Ran::from(output)
}

#[test]
fn a_disk_that_is_full_in_the_middle_ends_the_run_and_the_next_goes_on_with_a_sound_ledger() {
    for blocks in [1, 2, 3, 5, 8] {
        let bench = bench();
        let ran = with_room_for(&bench, blocks);
        assert_ne!(ran.exit, 0, "{blocks} blocks were enough: {ran:?}");
        assert!(ran.stderr.contains("cannot be written"), "{blocks}: {ran:?}");
        if entries(&fs::read(bench.ledger_file()).unwrap()).is_empty() {
            assert_eq!(bench.try_vault(VAULT, "GET", "/certificates/billing", &Value::Null).0, 404, "{blocks}");
        }
        bench.kvops(&BILLING).ends_with(0);
        assert_eq!(bench.versions("billing").len(), 1);
        let verified = verify(&fs::read(bench.ledger_file()).unwrap(), &[]);
        assert!(verified.is_sound(), "{blocks}: {verified:?}");
    }
}

#[test]
fn the_story_of_one_application_is_told_alone() {
    let bench = bench();
    bench.kvops(&BILLING).ends_with(0);
    bench.kvops(&PAYROLL).ends_with(0);
    let all = bench.kvops(&["ledger", "show", "--output", "json"]).ends_with(0).json();
    let all = all.as_array().unwrap();
    let of =
        |name: &str| -> Vec<&Value> { all.iter().filter(|entry| entry["object"]["certificate"] == name).collect() };
    let payroll = of("payroll");
    for member in ["app_id", "application"] {
        let id = payroll[0]["object"][member].as_str().unwrap();
        let said = bench.kvops(&["ledger", "show", "--app", id, "--output", "json"]).ends_with(0).json();
        let story: Vec<&Value> = said.as_array().unwrap().iter().collect();
        assert_eq!(story, payroll, "{member}");
    }
    assert_eq!(of("billing").len() + payroll.len(), all.len());
}
