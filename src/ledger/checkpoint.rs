//! Checkpoints: lines that hold a signature over all lines before them, by a key of a vault.
//!
//! A chain of hashes can be written anew by whoever may write the file. Up to a checkpoint it cannot,
//! by anybody who may not sign with that key; its public certificate is all that it takes to see that.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::entry::{Entry, Object, Phase, Step};
use super::line::Hash;
use super::run::Record;
use super::verify::{Damage, Fault};
use crate::pki::{Certificate, Checkpoint};

/// How far a ledger is signed by one certificate's key.
#[derive(Clone, Debug, Serialize)]
pub struct Signed {
    /// Checkpoints by that key.
    pub checkpoints: usize,
    /// The last line that one of them covers.
    pub up_to: u64,
    /// When that one was signed.
    #[serde(with = "time::serde::rfc3339::option")]
    pub at: Option<OffsetDateTime>,
}

/// What a checkpoint's line says.
pub fn record(checkpoint: Checkpoint, certificate: &Certificate, signature: &[u8], object: Object) -> Record {
    Record::of(object)
        .fact("line", checkpoint.line)
        .fact("hash", Hash::from(checkpoint.hash))
        .fact("at", checkpoint.at.format(&Rfc3339).unwrap_or_default())
        .fact("certificate", certificate.sha256().hex())
        .fact("signature", URL_SAFE_NO_PAD.encode(signature))
}

/// The checkpoint that the next signature would be: over everything in `text`.
pub fn next(text: &[u8], now: OffsetDateTime) -> Option<Checkpoint> {
    let (entry, hash) = lines(text).filter_map(|(_, line)| Some((entry(line)?, Hash::of(line)))).last()?;
    let at = now.replace_nanosecond(0).unwrap_or(now);
    Some(Checkpoint { line: entry.seq, hash: hash.bytes(), at })
}

/// Looks at every checkpoint by the key of `certificate`. A ledger without one is not as it was, for
/// whoever knows that it was signed.
pub fn check(text: &[u8], certificate: &Certificate) -> (Signed, Vec<Damage>) {
    let mut signed = Signed { checkpoints: 0, up_to: 0, at: None };
    let mut damage = Vec::new();
    let mut seen: HashMap<u64, Hash> = HashMap::new();
    let mut last = 0;
    for (number, line) in lines(text) {
        last = number;
        let Some(entry) = entry(line) else { continue };
        seen.insert(entry.seq, Hash::of(line));
        let is_ours = entry.facts.get("certificate").is_some_and(|known| *known == certificate.sha256().hex());
        if entry.step != Step::Checkpoint || entry.phase != Phase::Done || !is_ours {
            continue;
        }
        match verified(&entry, certificate, &seen) {
            Ok(checkpoint) => {
                signed.checkpoints += 1;
                (signed.up_to, signed.at) = (checkpoint.line, Some(checkpoint.at));
            }
            Err(problem) => damage.push(Damage { line: number, fault: Fault::Checkpoint(problem) }),
        }
    }
    if signed.checkpoints == 0 && damage.is_empty() {
        let problem = "there is none by the key of that certificate".to_owned();
        damage.push(Damage { line: last + 1, fault: Fault::Checkpoint(problem) });
    }
    (signed, damage)
}

fn verified(entry: &Entry, certificate: &Certificate, seen: &HashMap<u64, Hash>) -> Result<Checkpoint, String> {
    let fact = |name: &str| entry.facts.get(name).ok_or_else(|| format!("it has no {name}"));
    let unreadable = |name: &str| format!("its {name} cannot be read");
    let line: u64 = fact("line")?.parse().map_err(|_| unreadable("line"))?;
    let hash: Hash = fact("hash")?.parse().map_err(|_| unreadable("hash"))?;
    let at = OffsetDateTime::parse(fact("at")?, &Rfc3339).map_err(|_| unreadable("time"))?;
    let signature = URL_SAFE_NO_PAD.decode(fact("signature")?).map_err(|_| unreadable("signature"))?;
    let checkpoint = Checkpoint { line, hash: hash.bytes(), at };
    checkpoint.verify(certificate, &signature).map_err(|_| "its signature does not verify".to_owned())?;
    // Nothing but a line above it can be what was signed.
    if line >= entry.seq || seen.get(&line) != Some(&hash) {
        return Err(format!("line {line} is not the one that was signed"));
    }
    Ok(checkpoint)
}

fn lines(text: &[u8]) -> impl Iterator<Item = (u64, &[u8])> {
    (1..).zip(text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()))
}

fn entry(line: &[u8]) -> Option<Entry> {
    serde_json::from_slice(line).ok()
}
