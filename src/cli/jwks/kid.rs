//! Keys by their kid, or by as much of it as tells them apart.

use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::domain::{Version, printable};
use crate::jwks::KeySet;

/// Fewer characters are taken for nobody's.
const SHORTEST: usize = 8;

/// The version that `text` names.
pub(super) fn version(set: &KeySet, text: &str) -> Result<Version, Failure> {
    named(set.timeline().keys.iter().map(|key| &key.facts.version), text)
}

fn named<'a>(versions: impl Iterator<Item = &'a Version>, text: &str) -> Result<Version, Failure> {
    let wanted = text.to_ascii_lowercase();
    let found: Vec<&Version> = versions.filter(|version| version.as_str().starts_with(&wanted)).collect();
    match found.as_slice() {
        _ if wanted.len() < SHORTEST => {
            Err(Failure::new(Exit::Usage, format!("`{}` is too short for a kid", printable(text)))
                .hint(format!("give its first {SHORTEST} characters at least, as `kvops jwks status` shows them")))
        }
        [] => Err(Failure::new(Exit::Usage, format!("there is no version {}", printable(text)))),
        [one] => Ok((*one).clone()),
        several => {
            let failure = Failure::new(Exit::Usage, format!("{} versions begin with {wanted}", several.len()));
            Err(several.iter().fold(failure, |failure, version| failure.hint(version.to_string())))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kid_is_named_by_what_tells_it_apart() {
        let versions: Vec<Version> = [
            "0123456789abcdef0123456789abcdef",
            "0123456789ffffff0123456789abcdef",
            "fedcba98765432100123456789abcdef",
        ]
        .map(|text| text.parse().unwrap())
        .into();
        let name = |text| named(versions.iter(), text).map(|version| version.to_string()).ok();
        assert_eq!(name("fedcba98"), Some(versions[2].to_string()));
        assert_eq!(name("FEDCBA98"), Some(versions[2].to_string()));
        assert_eq!(name(versions[0].as_str()), Some(versions[0].to_string()));
        assert_eq!(name("0123456789a"), Some(versions[0].to_string()));
        for nobody in ["", "fed", "0123456789", "ffffffff", "0123456789abcdef0123456789abcdef0"] {
            assert_eq!(name(nobody), None, "{nobody}");
        }
    }
}
