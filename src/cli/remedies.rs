//! Holds every remedy to the command line: what the rules and their pages tell people to run can be run.

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use clap::CommandFactory as _;

use super::Cli;

#[test]
fn every_command_that_a_rule_gives_as_a_remedy_parses() {
    let mut seen = 0;
    for file in files("src/audit/rules", "rs") {
        let text = fs::read_to_string(&file).unwrap();
        // Comments, titles and messages speak of kvops, and tell nobody to run it.
        let tells = |line: &&str| line.trim_start().starts_with("fix:") || line.contains("\"kvops ");
        for line in text.lines().filter(tells) {
            for command in commands(line) {
                seen += 1;
                assert_parses(&command, &file);
            }
        }
    }
    assert!(seen > 40, "only {seen} commands were found in the rules");
}

#[test]
fn every_command_on_a_page_of_a_rule_parses() {
    let mut seen = 0;
    for file in files("docs/rules", "md") {
        let text = fs::read_to_string(&file).unwrap();
        let is_whole = |line: &&str| line.starts_with("kvops ");
        let in_blocks = text.lines().filter(is_whole);
        let in_sentences = text.split('`').skip(1).step_by(2).filter(is_whole);
        for command in in_blocks.flat_map(commands).chain(in_sentences.flat_map(commands)) {
            seen += 1;
            assert_parses(&command, &file);
        }
    }
    assert!(seen > 50, "only {seen} commands were found on the pages");
}

#[test]
fn every_remedy_of_an_example_in_rego_parses() {
    for file in files("policies/examples", "rego") {
        let text = fs::read_to_string(&file).unwrap();
        for command in text.lines().filter(|line| line.contains("fix:")).flat_map(commands) {
            assert_parses(&command, &file);
        }
    }
}

/// None of these would be noticed before somebody had lost a credential.
#[test]
fn no_remedy_replaces_every_credential_at_once() {
    for file in files("src/audit/rules", "rs").into_iter().chain(files("docs/rules", "md")) {
        let text = fs::read_to_string(&file).unwrap();
        assert!(!text.contains("credential reset"), "{}", file.display());
    }
}

#[test]
fn a_command_ends_where_the_sentence_goes_on() {
    let text = r#"fix: "kvops token --app {app} --expect azpacr=2, then kvops cert info --vault V --name N","#;
    assert_eq!(commands(text), ["kvops token --app X --expect azpacr=2", "kvops cert info --vault V --name N"]);
    assert_eq!(commands("see the tag of kvops, in kvops.toml"), [""; 0]);
}

/// The calls of kvops in a text. In a sentence each is followed by punctuation, never by a word.
fn commands(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in text.match_indices("kvops ") {
        let rest = &text[at..];
        let ends = [", ", "; ", ": ", ") ", "\"", "`", "), "].iter().filter_map(|end| rest.find(end));
        let command = &rest[..ends.min().unwrap_or(rest.len())];
        let mut filled = String::new();
        for (index, part) in command.split(['{', '}']).enumerate() {
            filled.push_str(if index % 2 == 1 { "X" } else { part });
        }
        found.push(filled.trim_end().to_owned());
    }
    found
}

#[track_caller]
fn assert_parses(command: &str, file: &Path) {
    let mut before = "";
    let words = command.split_whitespace().map(|word| {
        let is_id = ["--key", "--secret", "--fic"].contains(&std::mem::replace(&mut before, word));
        // What stands for an id in a text is none.
        if is_id && ["X", "ID", "KEYID"].contains(&word) { "7b0b8a3e-7d2e-4c3f-9d4b-1c9d7d3e2f10" } else { word }
    });
    if let Err(error) = Cli::command().try_get_matches_from(words) {
        panic!("{}: `{command}`\n{error}", file.display());
    }
}

/// The files with an extension under a folder of the repository, at any depth.
fn files(folder: &str, extension: &str) -> Vec<PathBuf> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == extension) {
                found.push(path);
            }
        }
    }
    assert!(!found.is_empty(), "{folder} has no files of this kind");
    found
}
