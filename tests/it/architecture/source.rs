//! A source file as the architecture test sees it: code without comments and strings, and the
//! modules that the code names.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// One file of `src`, by its path from the root of the repository.
pub(super) struct SourceFile {
    pub(super) path: String,
    text: String,
}

impl SourceFile {
    /// All of `src`.
    pub(super) fn all() -> Vec<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut files = Vec::new();
        let mut folders = vec![root.join("src")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let text = fs::read_to_string(&path).unwrap();
                    let path = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
                    files.push(Self { path, text });
                }
            }
        }
        assert!(!files.is_empty(), "no source found: the test would pass on anything");
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files
    }

    /// The top-level module that the file belongs to; none for the crate's roots.
    pub(super) fn module(&self) -> Option<String> {
        let inside = self.path.strip_prefix("src/")?;
        match inside.split_once('/') {
            Some((module, _)) => Some(module.to_owned()),
            None => Some(inside.trim_end_matches(".rs").to_owned()).filter(|name| name != "lib" && name != "main"),
        }
    }

    pub(super) fn is_under(&self, prefixes: &[&str]) -> bool {
        prefixes.iter().any(|prefix| self.path.starts_with(prefix))
    }

    pub(super) fn lines(&self) -> usize {
        self.text.lines().count()
    }

    /// The code alone.
    pub(super) fn code(&self) -> String {
        strip(&self.text, false)
    }

    /// The code with its string literals, without comments and without the tests at its end.
    pub(super) fn code_and_strings(&self) -> String {
        let (code, _tests) = self.text.split_once("#[cfg(test)]\nmod tests {").unwrap_or((&self.text, ""));
        strip(code, true)
    }

    /// The top-level modules that the file names, by `crate::` or by enough `super::`.
    pub(super) fn modules_used(&self, names: &[&str]) -> BTreeSet<String> {
        let code: String = self.code().split_whitespace().collect::<Vec<_>>().join(" ").replace(" :: ", "::");
        let first_word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
        let mut used: BTreeSet<String> = code.split("crate::").skip(1).map(first_word).collect();
        // As many `super::` as the file lies deep lead to the crate's root.
        let to_the_root = "super::".repeat(self.depth());
        used.extend(code.split(&to_the_root).skip(1).map(first_word));
        used.retain(|name| names.contains(&name.as_str()));
        used
    }

    fn depth(&self) -> usize {
        let inside = self.path.trim_start_matches("src/").trim_end_matches(".rs").trim_end_matches("/mod");
        inside.split('/').count()
    }
}

/// Rust without comments, and without the contents of string literals unless `keep_strings`.
fn strip(text: &str, keep_strings: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let (length, keep) = if rest.starts_with("//") {
            (rest.find('\n').unwrap_or(rest.len()), false)
        } else if rest.starts_with("/*") {
            (rest.find("*/").map_or(rest.len(), |end| end + 2), false)
        } else if let Some(length) = string_literal(rest) {
            (length, keep_strings)
        } else if rest.starts_with("'\"'") || rest.starts_with("'\\\"'") {
            (rest[1..].find('\'').map_or(1, |end| end + 2), false)
        } else {
            (next.len_utf8(), true)
        };
        if keep {
            out.push_str(&rest[..length]);
        } else if length > 0 {
            out.push(' ');
        }
        rest = &rest[length..];
    }
    out
}

/// How long the string literal is that the text begins with, if it does.
fn string_literal(text: &str) -> Option<usize> {
    if text.starts_with("r\"") || text.starts_with("r#") {
        let hashes = text[1..].chars().take_while(|c| *c == '#').count();
        let body = text[1 + hashes..].strip_prefix('"')?;
        let close = format!("\"{}", "#".repeat(hashes));
        return Some(2 + hashes + body.find(&close)? + close.len());
    }
    let body = text.strip_prefix('"')?;
    let mut escaped = false;
    for (at, c) in body.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return Some(at + 2),
            _ => {}
        }
    }
    Some(text.len())
}

#[test]
fn comments_and_strings_name_no_module() {
    let file = |text: &str| SourceFile { path: "src/graph/client.rs".into(), text: text.into() };
    let names = ["http", "lab", "cli"];
    let text = "// crate::lab\n/* crate::cli */ let a = \"crate::lab \\\" crate::cli\"; let b = r#\"crate::lab \" x\"#; use crate::http::A;";
    assert_eq!(file(text).modules_used(&names), BTreeSet::from(["http".to_owned()]));
    assert!(!file(text).code().contains("lab"));
    assert!(file(text).code_and_strings().contains("crate::lab \" x"));
}

#[test]
fn a_module_reached_through_its_parents_counts_as_used() {
    let file = |path: &str, text: &str| SourceFile { path: path.into(), text: text.into() };
    let names = ["http", "lab"];
    assert_eq!(
        file("src/graph/mod.rs", "use super::lab::Lab;").modules_used(&names),
        BTreeSet::from(["lab".to_owned()])
    );
    assert_eq!(
        file("src/graph/a/b.rs", "super::super::super::lab::x()").modules_used(&names),
        BTreeSet::from(["lab".to_owned()])
    );
    assert_eq!(file("src/graph/a.rs", "use super::lab::Inner;").modules_used(&names), BTreeSet::new());
}
