//! What the ledger tells an audit: how versions were born, and which credentials kvops attached.

use std::fs;
use std::io;

use super::super::context::Context;
use super::super::exit::Exit;
use super::super::failure::Failure;
use crate::audit::History;
use crate::ledger::{self, Entry, Phase, Step};

/// The history that is in the ledger; `None` where there is no ledger. One that is not as it was written
/// is no evidence, and is not passed over in silence.
pub(super) fn history(context: &Context) -> Result<Option<History>, Failure> {
    let Some(path) = context.settings().ledger.as_ref().map(|setting| setting.value.as_path()) else { return Ok(None) };
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(Failure::new(Exit::Usage, format!("{}: {error}", path.display()))),
    };
    if let Some(damage) = ledger::verify(&text, &[]).damage.first() {
        let problem = format!("the ledger {} proves nothing: line {}: {}", path.display(), damage.line, damage.fault);
        return Err(Failure::new(Exit::Changed, problem).hint(
            "`kvops ledger verify` lists all that is wrong; name another file with --ledger to audit without it",
        ));
    }
    Ok(Some(told(&ledger::entries(&text))))
}

/// What was done, and seen to be.
fn told(entries: &[Entry]) -> History {
    let mut history = History::default();
    for entry in entries.iter().filter(|entry| entry.phase == Phase::Done) {
        let object = &entry.object;
        if let (Step::Attach | Step::Create | Step::Tag, Some(app), Some(key)) =
            (entry.step, object.app_id, object.key_id)
        {
            history.credentials.entry(app).or_default().insert(key);
        }
        let (Some(vault), Some(certificate)) = (&object.vault, &object.certificate) else { continue };
        let says_no = |name: &str| entry.facts.get(name).is_some_and(|value| value == "false");
        if entry.step == Step::Create && says_no("exportable") && says_no("reuse_key") {
            history.hardened.insert(format!("{vault}/{certificate}"));
        }
        let exportable = entry.facts.get("exportable").and_then(|value| value.parse().ok());
        if let (Step::Create, Some(version), Some(exportable)) = (entry.step, &object.version, exportable) {
            history.born.insert(format!("{vault}/{certificate}/{version}"), exportable);
        }
    }
    history
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const APP: &str = "7b0b8a3e-7d2e-4c3f-9d4b-1c9d7d3e2f10";
    const KEY: &str = "7b0b8a3e-7d2e-4c3f-9d4b-1c9d7d3e2f11";

    fn entry(step: &str, phase: &str, facts: &Value) -> Entry {
        serde_json::from_value(json!({
            "v": 1, "seq": 1, "at": "2026-11-22T12:00:00Z", "run": APP, "step": step, "phase": phase, "actor": {},
            "object": {
                "app_id": APP, "key_id": KEY, "vault": "contoso-kv", "certificate": "billing",
                "version": "0123456789abcdef0123456789abcdef",
            },
            "facts": facts, "prev": "0".repeat(64),
        }))
        .unwrap()
    }

    #[test]
    fn births_and_credentials_come_from_what_was_done_and_from_nothing_that_was_only_meant() {
        let hardened = json!({ "exportable": "false", "reuse_key": "false" });
        let history =
            told(&[entry("create", "done", &hardened), entry("attach", "done", &Value::Object(Default::default()))]);
        assert_eq!(history.born.values().collect::<Vec<_>>(), [&false]);
        assert_eq!(history.hardened.iter().collect::<Vec<_>>(), ["contoso-kv/billing"]);
        assert_eq!(history.credentials[&APP.parse().unwrap()].len(), 1);
        for phase in ["intended", "failed"] {
            assert_eq!(
                told(&[entry("create", phase, &hardened), entry("attach", phase, &json!({}))]),
                History::default()
            );
        }
        let unknown = told(&[entry("create", "done", &json!({ "exportable": "unknown" }))]);
        assert!(unknown.born.is_empty() && unknown.hardened.is_empty());
    }
}
