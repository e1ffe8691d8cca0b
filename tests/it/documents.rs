//! Holds the documents to the program: the commands that they show work, and their tables are whole.

use std::fs;
use std::path::Path;
use std::time::Duration;

use assert_cmd::Command;
use kvops::cli::Exit;
use kvops::config::VARIABLES;
use kvops::entra::Source;

const WITH_COMMANDS: &[&str] = &[
    "README.md",
    "docs/CONTRIBUTING.md",
    "docs/guides/audit.md",
    "docs/guides/configuration.md",
    "docs/guides/expiry-mail.md",
    "docs/guides/identities.md",
    "docs/guides/incident.md",
    "docs/guides/jwks.md",
    "docs/guides/lab.md",
    "docs/guides/ledger.md",
    "docs/guides/policy.md",
    "docs/guides/provision.md",
    "docs/guides/proxy.md",
    "docs/guides/rotate.md",
    "docs/guides/tokens.md",
];

#[test]
fn every_command_in_the_documents_is_one_that_kvops_has() {
    let mut seen = 0;
    for document in WITH_COMMANDS {
        for line in shell_lines(&read(document)) {
            for command in commands_of_kvops(&line) {
                seen += 1;
                // Help is printed once everything before it has been understood.
                let output = kvops().args(&command).arg("--help").output().unwrap();
                let complaint = String::from_utf8_lossy(&output.stderr);
                assert!(output.status.success(), "{document}: `{line}`\n{complaint}");
            }
        }
    }
    assert!(seen > 9, "only {seen} commands were found in the documents");
}

#[test]
fn the_readmes_commands_do_what_they_say_when_run_in_their_order() {
    let lines = shell_lines(&read("README.md"));
    let is_for_a_tenant = |line: &String| line.starts_with("kvops ") && !line.starts_with("kvops lab");
    let script: Vec<String> = lines.into_iter().filter(is_for_a_tenant).collect();
    assert!(script.len() > 4, "only {} commands were found in the README", script.len());
    let folder = tempfile::tempdir().unwrap();
    let output = kvops()
        .args(["lab", "exec", "--seed", "small", "--", "sh", "-exc", &script.join("\n")])
        .current_dir(folder.path())
        .env("HOME", folder.path())
        .env("PATH", "/usr/bin:/bin")
        .timeout(Duration::from_secs(120))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    assert!(folder.path().join("billing.cer").exists(), "{said}");
}

#[test]
fn the_table_of_variables_is_whole() {
    let rows: Vec<String> =
        VARIABLES.iter().map(|variable| format!("| `{}` | {} |", variable.name, variable.meaning)).collect();
    assert_holds("docs/guides/configuration.md", &rows.join("\n"));
}

#[test]
fn the_table_of_sources_is_whole_and_in_the_order_of_the_automatic_choice() {
    let rows: Vec<String> = Source::ALL
        .iter()
        .map(|source| {
            let info = source.info();
            let variables: Vec<String> = info.variables.iter().map(|name| format!("`{name}`")).collect();
            format!("| `{}` | {} | {} |", info.name, info.summary, variables.join(", "))
        })
        .collect();
    assert_holds("docs/guides/identities.md", &rows.join("\n"));
}

#[test]
fn the_table_of_exit_codes_is_whole() {
    let stability = read("docs/STABILITY.md");
    let rows = stability.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" |"));
    let described: Vec<u8> = rows.filter_map(|(code, _)| code.parse().ok()).collect();
    assert_eq!(described, Exit::ALL.map(u8::from));
}

#[test]
fn the_tests_that_the_list_of_the_models_behaviours_names_exist() {
    let mut sources = String::new();
    let mut folders =
        vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                sources.push_str(&fs::read_to_string(path).unwrap());
            }
        }
    }
    let list = read("docs/proxy-px.md");
    let rows: Vec<&str> = list.lines().filter(|line| line.starts_with("| PX-")).collect();
    assert_eq!(rows.len(), 41, "PX-01 to PX-46 without those that were never given");
    for row in rows {
        let proof = row.split('|').nth(4).unwrap();
        for name in proof.split('`').skip(1).step_by(2).filter(|name| !name.starts_with("scripts/")) {
            assert!(sources.contains(&format!("fn {name}(")), "{row}\nnames {name}, which is no test");
        }
    }
}

#[track_caller]
fn assert_holds(document: &str, part: &str) {
    assert!(read(document).contains(part), "{document} should say:\n\n{part}\n");
}

fn read(document: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(document)).unwrap()
}

fn kvops() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kvops"));
    command.env_clear();
    command
}

/// The lines of the text's shell blocks, without comments.
fn shell_lines(text: &str) -> Vec<String> {
    let mut lines = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        if line.starts_with("```") {
            inside = line == "```sh";
        } else if inside {
            let code = line.split(" #").next().unwrap_or_default().trim();
            lines.extend((!code.is_empty()).then(|| code.to_owned()));
        }
    }
    lines
}

/// The arguments of each call of kvops in the line: `lab exec -- kvops audit` holds two.
fn commands_of_kvops(line: &str) -> Vec<Vec<String>> {
    let mut commands = Vec::new();
    let mut follows_cargo_run = false;
    for part in line.split(" -- ") {
        let words: Vec<String> = part.split_whitespace().map(str::to_owned).collect();
        if follows_cargo_run {
            commands.push(words.clone());
        } else if words.first().is_some_and(|word| word == "kvops") {
            commands.push(words[1..].to_vec());
        }
        follows_cargo_run = part.starts_with("cargo run");
    }
    commands
}

#[test]
fn calls_are_found_behind_cargo_and_behind_the_lab() {
    assert_eq!(commands_of_kvops("cargo run --locked -- demo"), [["demo"]]);
    let nested = commands_of_kvops("kvops lab exec -- kvops cert list");
    assert_eq!(nested, [vec!["lab", "exec"], vec!["cert", "list"]]);
    assert_eq!(commands_of_kvops("scripts/test provision"), Vec::<Vec<String>>::new());
}
