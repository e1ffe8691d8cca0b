//! Holds the examples for pipelines and the guide's table of formats to the program.

use std::fs;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use kvops::report::Format;
use serde_json::Value;

#[test]
fn the_examples_are_yaml_and_audit_with_flags_and_formats_that_there_are() {
    let mut audits = 0;
    for path in yaml_files() {
        let text = fs::read_to_string(&path).unwrap();
        let document: Value =
            serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        for command in commands(&document) {
            audits += 1;
            let shown = command.join(" ");
            // Help is printed once everything before it has been understood.
            let output =
                Command::new(env!("CARGO_BIN_EXE_kvops")).env_clear().args(&command).arg("--help").output().unwrap();
            assert!(
                output.status.success(),
                "{}: {shown}\n{}",
                path.display(),
                String::from_utf8_lossy(&output.stderr)
            );
            let html = command.iter().filter(|word| word.starts_with("html=")).count();
            assert_eq!(html, 1, "{}: people want to see it too: {shown}", path.display());
        }
    }
    assert_eq!(audits, 3, "one audit for each kind of pipeline");
}

#[test]
fn no_example_puts_an_expression_into_a_script_or_keeps_a_secret() {
    for path in yaml_files() {
        let text = fs::read_to_string(&path).unwrap();
        let document: Value = serde_saphyr::from_str(&text).unwrap();
        for script in scripts(&document) {
            assert!(!script.contains("${{"), "{}: what an input holds would be run: {script}", path.display());
        }
        assert!(!text.contains("secrets.") && !text.contains("CLIENT_SECRET"), "{}", path.display());
    }
}

#[test]
fn the_guide_lists_every_format_with_its_file() {
    let guide = fs::read_to_string(root().join("docs/guides/audit.md")).unwrap();
    let rows: Vec<_> = Format::ALL
        .iter()
        .map(|format| format!("| `{format}` | {} | {} |", format.default_file(), format.about()))
        .collect();
    assert!(guide.contains(&rows.join("\n")), "docs/guides/audit.md should say:\n\n{}\n", rows.join("\n"));
}

/// The arguments of every `kvops audit` in the scripts of a file.
fn commands(document: &Value) -> Vec<Vec<String>> {
    let mut commands = Vec::new();
    for script in scripts(document) {
        let script = script.replace("\\\n", " ");
        for line in script.lines().map(str::trim).filter(|line| line.starts_with("kvops audit")) {
            let words = line.split_whitespace().skip(1).map(|word| placeholder(word.trim_matches('"')));
            commands.push(words.filter(|word| !word.starts_with("${")).collect());
        }
    }
    commands
}

/// Something that every flag with a variable for its value takes.
fn placeholder(word: &str) -> String {
    match word {
        "$PROFILE" => "default".to_owned(),
        "$FAIL_ON" => "high".to_owned(),
        "$REQUIRE_COVERAGE" => "100".to_owned(),
        _ => word.to_owned(),
    }
}

/// Every piece of text that a runner hands to a shell.
fn scripts(document: &Value) -> Vec<String> {
    let mut scripts = Vec::new();
    let mut waiting = vec![document];
    while let Some(value) = waiting.pop() {
        match value {
            Value::Object(members) => {
                for (name, member) in members {
                    if ["run", "inlineScript", "script", "before_script"].contains(&name.as_str()) {
                        let texts = member.as_array().map_or_else(|| vec![member], |list| list.iter().collect());
                        scripts.extend(texts.into_iter().filter_map(Value::as_str).map(str::to_owned));
                    }
                    waiting.push(member);
                }
            }
            Value::Array(list) => waiting.extend(list),
            _ => {}
        }
    }
    scripts
}

fn yaml_files() -> Vec<PathBuf> {
    let mut files = Vec::new();
    let mut folders = vec![root().join("docs/ci")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "yml") {
                files.push(path);
            }
        }
    }
    files.sort();
    assert_eq!(files.len(), 4);
    files
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
