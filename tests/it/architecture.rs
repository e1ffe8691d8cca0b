//! Holds the house to its plan: reads the source and the scripts, and names what breaks the rules
//! of `docs/ARCHITECTURE.md`.

mod source;

use std::fs;
use std::path::Path;
use std::path::PathBuf;

use source::SourceFile;

/// Which modules each module may name: the arrows of `docs/ARCHITECTURE.md`. A module that is not
/// here fails the test until somebody has decided where it belongs.
const LAYERS: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("http", &["domain"]),
    ("pki", &["domain"]),
    ("entra", &["domain", "http", "pki"]),
    ("graph", &["domain", "http", "pki", "entra"]),
    ("keyvault", &["domain", "http", "pki", "entra"]),
    ("ledger", &["domain", "pki"]),
    // What others claim: no I/O, so that nothing is asked before a claim is well-formed.
    ("notice", &["domain"]),
    ("arm", &["domain", "http", "pki", "entra"]),
    ("inventory", &["domain", "http", "pki", "entra", "graph", "keyvault", "arm"]),
    // Types only: what is collected is judged without any I/O.
    ("audit", &["domain", "pki", "inventory"]),
    ("sign_in", &["domain", "http", "pki", "entra", "keyvault"]),
    ("provision", &["sign_in", "domain", "http", "pki", "entra", "graph", "keyvault", "ledger", "inventory", "audit"]),
    ("detach", &["domain", "http", "pki", "graph", "keyvault", "ledger", "provision", "audit"]),
    ("harden", &["domain", "http", "pki", "entra", "graph", "keyvault", "ledger", "provision", "inventory", "audit"]),
    ("rotate", &["detach", "provision", "sign_in", "domain", "http", "pki", "entra", "graph", "keyvault", "ledger"]),
    ("serve", &["domain", "http"]),
    ("jwks", &["domain", "http", "pki", "entra", "keyvault", "sign_in", "ledger", "serve"]),
    ("proxy", &["domain", "http", "pki", "entra", "keyvault", "sign_in", "ledger", "serve"]),
    ("report", &["domain", "inventory", "audit", "provision", "rotate"]),
    ("config", &["domain"]),
    // Another cloud, written from the services' documentation: it names none of our clients.
    ("lab", &["domain"]),
    (
        "cli",
        &[
            "domain",
            "http",
            "pki",
            "entra",
            "graph",
            "keyvault",
            "arm",
            "ledger",
            "notice",
            "inventory",
            "audit",
            "provision",
            "sign_in",
            "detach",
            "harden",
            "rotate",
            "jwks",
            "proxy",
            "serve",
            "report",
            "config",
            "lab",
        ],
    ),
];

/// The only files outside the lab that may name it.
const NAMES_THE_LAB: &[&str] = &["src/cli/lab", "src/cli/demo"];

/// The only files that may read the environment. Credential sources are handed theirs.
const READS_THE_ENVIRONMENT: &[&str] = &["src/config/", "src/cli/", "src/main.rs"];

/// What may name `secrets/…`: the lab, to answer it, the demo, to show the refusal, and what judges
/// who may read them, which cannot ask anybody.
const KNOWS_SECRETS: &[&str] = &["src/lab/", "src/cli/demo", "src/audit/facts/rbac"];

#[test]
fn every_module_uses_only_those_below_it() {
    let mut wrong = Vec::new();
    for file in SourceFile::all() {
        let Some(module) = file.module() else { continue };
        let Some((_, allowed)) = LAYERS.iter().find(|(name, _)| *name == module) else {
            wrong.push(format!("{}: nobody has decided which layer `{module}` is", file.path));
            continue;
        };
        for used in file.modules_used(&layer_names()) {
            if used != module && !allowed.contains(&used.as_str()) {
                wrong.push(format!("{}: `{module}` may not use `{used}`", file.path));
            }
        }
    }
    assert_nothing(&wrong);
}

#[test]
fn no_import_from_the_crate_is_grouped() {
    // `use crate::{a, b};` would hide the arrows from the test above, and from a reader.
    let grouped = files_where(|file| file.code().contains("crate::{"));
    assert_nothing(&grouped);
}

#[test]
fn nobody_but_its_own_commands_names_the_lab() {
    let strangers = files_where(|file| {
        file.module().is_some_and(|module| module != "lab")
            && !file.is_under(NAMES_THE_LAB)
            && file.modules_used(&layer_names()).iter().any(|used| used == "lab")
    });
    assert_nothing(&strangers);
}

#[test]
fn nobody_but_the_configuration_and_the_commands_reads_the_environment() {
    let readers = files_where(|file| {
        let code = file.code();
        !file.is_under(READS_THE_ENVIRONMENT)
            && ["env::var(", "env::var_os(", "env::vars(", "env::vars_os(", "env::args(", "env::args_os("]
                .iter()
                .any(|call| code.contains(call))
    });
    assert_nothing(&readers);
}

#[test]
fn no_code_path_asks_a_vault_for_secrets() {
    let askers = files_where(|file| !file.is_under(KNOWS_SECRETS) && file.code_and_strings().contains("secrets/"));
    assert_nothing(&askers);
    let lock = read("Cargo.lock");
    assert!(!lock.contains("\"azure_security_keyvault_secrets\""), "the crate for secrets is a dependency");
}

#[test]
fn one_tls_stack_is_linked_and_it_is_not_openssl() {
    let lock = read("Cargo.lock");
    for name in ["openssl", "openssl-sys", "native-tls"] {
        assert!(!lock.contains(&format!("name = \"{name}\"")), "{name} is a dependency");
    }
}

#[test]
fn no_private_key_is_in_the_repository() {
    let marker = ["-----BEGIN ", "PRIVATE KEY-----"];
    let keys: Vec<String> = repository_files()
        .into_iter()
        .filter(|path| {
            let bytes = fs::read(path).unwrap_or_default();
            let text = String::from_utf8_lossy(&bytes);
            text.split(marker[0]).skip(1).any(|rest| {
                // A key, not a mention of one: base64 follows the marker's line.
                rest.split_once(marker[1]).is_some_and(|(kind, body)| {
                    kind.len() < 12
                        && body
                            .trim_start()
                            .chars()
                            .take_while(|c| c.is_ascii_alphanumeric() || "+/".contains(*c))
                            .count()
                            >= 32
                })
            })
        })
        .map(|path| path.display().to_string())
        .collect();
    assert_nothing(&keys);
}

#[test]
fn each_script_fits_on_a_screen() {
    let long: Vec<String> = entries("scripts")
        .into_iter()
        .filter(|path| path.is_file())
        .map(|path| (fs::read_to_string(&path).unwrap_or_default().lines().count(), path))
        .filter(|(lines, _)| *lines >= 40)
        .map(|(lines, path)| format!("{} has {lines} lines; 40 is too many", path.display()))
        .collect();
    assert_nothing(&long);
}

#[test]
fn each_source_file_has_one_reason_to_exist_and_so_fewer_than_five_hundred_lines() {
    let long = files_where(|file| file.lines() >= 500);
    assert_nothing(&long);
}

#[test]
fn the_map_describes_every_module_and_no_other() {
    let map = read("docs/ARCHITECTURE.md");
    let rows = map.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let mut described: Vec<&str> =
        rows.map(|(name, _)| name).filter(|name| name.chars().all(|c| c.is_ascii_lowercase() || c == '_')).collect();
    described.sort_unstable();
    let mut modules: Vec<String> = SourceFile::all().iter().filter_map(SourceFile::module).collect();
    modules.sort_unstable();
    modules.dedup();
    assert_eq!(described, modules);
}

#[test]
fn the_scripts_that_the_documents_name_exist() {
    let mut missing = Vec::new();
    for document in ["README.md", "docs/CONTRIBUTING.md", "docs/ARCHITECTURE.md"] {
        let Ok(text) = fs::read_to_string(root().join(document)) else { continue };
        for rest in text.split("scripts/").skip(1) {
            let name: String = rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
            if !name.is_empty() && !root().join("scripts").join(&name).exists() {
                missing.push(format!("{document} names scripts/{name}"));
            }
        }
    }
    assert_nothing(&missing);
}

#[test]
fn the_tests_that_the_threat_model_names_exist() {
    let sources: String = [root().join("src"), root().join("tests")]
        .into_iter()
        .flat_map(|folder| files_below(&folder))
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| fs::read_to_string(path).unwrap())
        .collect();
    let model = read("docs/THREAT-MODEL.md");
    let claims: Vec<&str> = model.lines().filter(|line| line.starts_with("| ") && line.contains("_")).collect();
    assert!(claims.len() > 10, "the tables of the threat model were not found");
    let missing: Vec<String> = claims
        .into_iter()
        .flat_map(|claim| claim.split('`').skip(1).step_by(2))
        .filter(|name| {
            name.contains('_') && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        })
        .filter(|name| !sources.contains(&format!("fn {name}(")))
        .map(|name| format!("docs/THREAT-MODEL.md names {name}, which is no test"))
        .collect();
    assert_nothing(&missing);
}

fn layer_names() -> Vec<&'static str> {
    LAYERS.iter().map(|(name, _)| *name).collect()
}

fn files_where(broken: impl Fn(&SourceFile) -> bool) -> Vec<String> {
    SourceFile::all().into_iter().filter(broken).map(|file| file.path).collect()
}

#[track_caller]
fn assert_nothing(wrong: &[String]) {
    assert!(wrong.is_empty(), "\n{}\n", wrong.join("\n"));
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap()
}

fn entries(folder: &str) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        fs::read_dir(root().join(folder)).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// Every file of the repository, as far as a walk that leaves out build output can tell.
fn repository_files() -> Vec<PathBuf> {
    files_below(root())
}

fn files_below(folder: &Path) -> Vec<PathBuf> {
    const BUILT: &[&str] = &["target", ".git", "node_modules", ".venv", "kvops-demo"];
    let mut files = Vec::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if BUILT.iter().any(|name| entry.file_name() == *name) {
                continue;
            }
            if path.is_dir() { folders.push(path) } else { files.push(path) }
        }
    }
    files
}
