//! A ledger that is written, torn, cut, edited and shuffled.

use std::path::PathBuf;

use proptest::prelude::*;
use time::macros::datetime;
use uuid::Uuid;

use super::*;
use crate::ledger::{Actor, Ledger, Object, Phase, Record, Run};

fn run(path: &std::path::Path) -> Run {
    let now = || datetime!(2026-11-22 12:00 UTC);
    Run::new(Ledger::open(path).unwrap(), Uuid::from_u128(7), Actor::default(), now)
}

fn written(steps: usize) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state/kvops/ledger.jsonl");
    let run = run(&path);
    for number in 0..steps {
        let object = Object { thumbprint: Some(format!("{number:040X}")), ..Object::default() };
        let step = run.begin(Step::Attach, Record::of(object)).unwrap();
        step.done(Record::default().fact("number", number)).unwrap();
    }
    (folder, path)
}

fn faults(text: &[u8], anchors: &[Anchor]) -> Vec<Fault> {
    verify(text, anchors).damage.into_iter().map(|damage| damage.fault).collect()
}

#[test]
fn what_was_written_is_sound_and_says_before_and_after() {
    let (_folder, path) = written(3);
    let text = fs::read(&path).unwrap();
    assert_eq!(faults(&text, &[]), []);
    let entries = read(&path).unwrap();
    let phases: Vec<_> = entries.iter().map(|entry| (entry.seq, entry.phase)).collect();
    assert_eq!(phases[..2], [(1, Phase::Intended), (2, Phase::Done)]);
    assert_eq!(entries[1].object.thumbprint, entries[0].object.thumbprint, "what was known before is kept");
}

#[test]
fn a_changed_byte_a_removed_line_two_swapped_lines_and_a_cut_tail_are_found() {
    let (_folder, path) = written(3);
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let joined = |lines: &[&str]| format!("{}\n", lines.join("\n")).into_bytes();

    let changed = text.replacen("attach", "detach", 1);
    assert_eq!(faults(changed.as_bytes(), &[]), [Fault::Changed]);

    let removed = joined(&[&lines[..2], &lines[3..]].concat());
    assert_eq!(faults(&removed, &[]), [Fault::Gap { expected: 3, found: 4 }]);

    let swapped = joined(&[lines[0], lines[2], lines[1], lines[3], lines[4], lines[5]]);
    assert!(faults(&swapped, &[]).contains(&Fault::Gap { expected: 2, found: 3 }));
    assert!(faults(&swapped, &[]).contains(&Fault::Reordered { expected: 4, found: 2 }));

    let anchor = Anchor { source: "a tag".to_owned(), hash: Hash::of(lines[5].as_bytes()) };
    assert_eq!(faults(text.as_bytes(), std::slice::from_ref(&anchor)), []);
    let cut = joined(&lines[..4]);
    assert_eq!(faults(&cut, &[]), [], "nothing inside the file tells");
    assert_eq!(faults(&cut, &[anchor]), [Fault::Truncated { anchor: "a tag".to_owned() }]);

    assert_eq!(faults(&text.as_bytes()[..text.len() - 9], &[]).last(), Some(&Fault::CutLine));
}

#[test]
fn a_line_that_a_crash_tore_is_kept_and_declared_and_one_that_somebody_broke_is_not() {
    let (_folder, path) = written(1);
    let whole = fs::read(&path).unwrap();
    fs::write(&path, [&whole[..], b"{\"v\":1,\"seq\":3,\"at"].concat()).unwrap();
    run(&path).note(Step::Prove, &Record::default()).unwrap();
    let text = fs::read(&path).unwrap();
    assert_eq!(faults(&text, &[]), []);
    let steps: Vec<_> = read(&path).unwrap().into_iter().map(|entry| (entry.seq, entry.step)).collect();
    assert_eq!(steps[2..], [(3, Step::Torn), (4, Step::Prove)]);

    let text = String::from_utf8(text).unwrap();
    let other = text.replacen("\"seq\":3,\"at\n", "\"seq\":3,\"at and more\n", 1);
    assert_ne!(other, text);
    assert!(matches!(faults(other.as_bytes(), &[])[..], [Fault::NotAnEntry(_)]));
}

#[test]
fn an_edited_last_line_is_not_added_to() {
    let (_folder, path) = written(1);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{text}not an entry\n")).unwrap();
    let error = run(&path).note(Step::Prove, &Record::default()).unwrap_err();
    assert!(error.to_string().ends_with("is damaged: expected ident at line 1 column 2"), "{error}");
}

#[test]
fn several_writers_at_once_lose_nothing() {
    let (_folder, path) = written(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let run = run(&path);
                for _ in 0..25 {
                    run.note(Step::Prove, &Record::default()).unwrap();
                }
            });
        }
    });
    let verified = verify(&fs::read(&path).unwrap(), &[]);
    assert_eq!((verified.entries, verified.damage), (100, vec![]));
}

#[test]
fn a_ledger_that_cannot_be_written_is_known_before_anything_is_done() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Ledger::open(&file.join("ledger.jsonl")).unwrap_err();
    assert!(error.to_string().ends_with("ledger.jsonl cannot be opened"), "{error}");
}

proptest! {
    #[test]
    fn any_byte_that_changes_is_found(at in 0.0..1.0_f64, to in 1_u8..) {
        let (_folder, path) = written(2);
        let mut text = fs::read(&path).unwrap();
        let last = text.len() - 1;
        // The last line is only known from elsewhere.
        let lines: Vec<&[u8]> = text[..last].split(|byte| *byte == b'\n').collect();
        let anchor = Anchor { source: "a tag".to_owned(), hash: Hash::of(lines[lines.len() - 1]) };
        let at = (at * last as f64) as usize;
        text[at] ^= to;
        prop_assert!(!verify(&text, &[anchor]).is_sound(), "byte {}", at);
    }
}
