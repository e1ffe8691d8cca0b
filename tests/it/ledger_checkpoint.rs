//! Checkpoints: signatures over the ledger by a key of a vault, and what they show that a chain does not.

use std::fs;

use kvops::ledger::Entry;
use kvops::ledger::Hash;
use serde_json::Value;
use serde_json::json;

use crate::support::Bench;
use crate::support::Ran;
use crate::support::VAULT;

/// A ledger with a provisioning, a checkpoint over it, and one line more.
fn signed() -> Bench {
    let mut bench = Bench::tame();
    let path = bench.ledger_file().display().to_string();
    bench.set("KVOPS_LEDGER", &path);
    bench.application("billing");
    bench.kvops(&["provision", "--app", "billing", "--vault", VAULT, "--name", "billing"]).ends_with(0);
    let cer = bench.file("seal.cer").display().to_string();
    bench.kvops(&["provision", "--vault-only", "--vault", VAULT, "--name", "seal", "--cer-out", &cer]).ends_with(0);
    let said = checkpoint(&bench, "seal").ends_with(0).json();
    assert_eq!(said["line"], json!(lines(&bench).len() - 2), "the two lines about the signature come after it");
    bench
}

fn checkpoint(bench: &Bench, name: &str) -> Ran {
    bench.kvops(&["ledger", "checkpoint", "--vault", VAULT, "--name", name, "--output", "json"])
}

fn verify(bench: &Bench) -> Ran {
    let cer = bench.file("seal.cer").display().to_string();
    bench.kvops(&["ledger", "verify", "--certificate", &cer, "--output", "json"])
}

fn lines(bench: &Bench) -> Vec<String> {
    fs::read_to_string(bench.ledger_file()).unwrap().lines().map(str::to_owned).collect()
}

/// What somebody does who may write the file: changes entries, and makes the chain anew.
fn rewritten(lines: &[String], change: impl Fn(&mut Entry)) -> String {
    let mut prev = Hash::NONE;
    let mut text = String::new();
    for (number, line) in (1..).zip(lines) {
        let mut entry: Entry = serde_json::from_str(line).unwrap();
        change(&mut entry);
        (entry.seq, entry.prev) = (number, prev);
        let line = serde_json::to_string(&entry).unwrap();
        prev = Hash::of(line.as_bytes());
        text.push_str(&line);
        text.push('\n');
    }
    text
}

#[test]
fn a_signed_ledger_verifies_offline_with_the_public_certificate_alone() {
    let bench = signed();
    let mark = bench.mark();
    let said = verify(&bench).ends_with(0).json();
    assert_eq!((&said["is_sound"], &said["signed"]["checkpoints"]), (&json!(true), &json!(1)), "{said}");
    assert_eq!(said["signed"]["up_to"], json!(lines(&bench).len() - 2));
    assert_eq!(bench.mark(), mark, "somebody was asked");
}

#[test]
fn a_chain_that_was_made_anew_is_found_by_the_checkpoint_and_by_nothing_else() {
    let bench = signed();
    let original = lines(&bench);
    let forged = rewritten(&original, |entry| entry.actor.principal = "somebody else".to_owned());
    let without: Vec<String> = original.iter().filter(|line| !line.contains("\"checkpoint\"")).cloned().collect();
    let cases = [
        ("entries were changed", forged, "is not the one that was signed"),
        ("the checkpoint was left out", rewritten(&without, |_| ()), "there is none by the key"),
        ("an early line was left out", rewritten(&original[1..], |_| ()), "is not the one that was signed"),
        (
            "the signature was put over another line",
            rewritten(&original, |entry| {
                if let Some(line) = entry.facts.get_mut("line") {
                    *line = "2".to_owned();
                }
            }),
            "signature does not verify",
        ),
    ];
    for (what, text, problem) in cases {
        fs::write(bench.ledger_file(), &text).unwrap();
        bench.kvops(&["ledger", "verify"]).ends_with(0);
        let table = ["ledger", "verify", "--certificate", "seal.cer", "--output", "table"];
        let said = bench.kvops(&table).ends_with(6).stdout;
        assert!(said.contains(problem), "{what}: {said}");
    }
}

#[test]
fn a_damaged_ledger_is_not_signed() {
    let bench = signed();
    let text = fs::read_to_string(bench.ledger_file()).unwrap();
    fs::write(bench.ledger_file(), text.replacen("\"attach\"", "\"detach\"", 1)).unwrap();
    let sign = bench.lab().counts().sign;
    checkpoint(&bench, "seal").ends_with(6);
    assert_eq!(bench.lab().counts().sign, sign);
}

#[test]
fn the_key_of_an_application_signs_no_checkpoint() {
    let bench = signed();
    let (sign, before) = (bench.lab().counts().sign, lines(&bench));
    let error = checkpoint(&bench, "billing").ends_with(7).error();
    assert!(error["hints"].to_string().contains("--vault-only"), "{error}");
    assert_eq!((bench.lab().counts().sign, lines(&bench)), (sign, before));
}

#[test]
fn the_certificate_of_another_key_finds_no_checkpoint() {
    let bench = signed();
    let cer = bench.file("seal.cer").display().to_string();
    bench.kvops(&["provision", "--vault-only", "--vault", VAULT, "--name", "other", "--cer-out", &cer]).ends_with(0);
    let said = verify(&bench).ends_with(6).json();
    assert_eq!(said["signed"]["checkpoints"], 0);
    let missing = said["damage"].as_array().unwrap();
    assert_eq!(missing.len(), 1, "{said}");
}

#[test]
fn what_is_signed_is_no_token_and_the_signature_is_written_down() {
    let bench = signed();
    let entry: Value = lines(&bench)
        .iter()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .find(|entry| entry["step"] == "checkpoint" && entry["phase"] == "done")
        .unwrap();
    assert!(entry["facts"]["signature"].as_str().unwrap().len() > 300, "{entry}");
    assert!(!entry.to_string().contains("eyJ"), "a whole token was written: {entry}");
    assert!(entry["requests"].to_string().contains("sign"), "{entry}");
}
