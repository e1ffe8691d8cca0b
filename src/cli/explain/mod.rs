//! `kvops explain`: what a code means, whether waiting helps, and what to do.

mod codes;

use std::io::Read as _;

use serde::Serialize;
use tabled::settings::Style;
use tabled::{Table, Tabled};

use self::codes::Code;
use super::console::{Console, Tone};
use super::exit::Exit;
use super::failure::Failure;
use super::global::{Global, Output};
use super::view::Lines;
use crate::domain::{Environment, printable};
use crate::entra::{Meaning, Retry, meaning_of, meanings};

/// So much of an error is read from standard input, in bytes.
const LONGEST_INPUT: u64 = 1 << 20;

/// Codes are offered from this likeness on; 1 is the same word.
const ALIKE: f64 = 0.75;

const EXAMPLES: &str = "\
Examples:
  kvops explain AADSTS700027
  kvops explain ForbiddenByRbac KVO201 exit-3
  kvops explain alternatives                # what else there is in place of a secret
  kvops provision … 2>&1 | kvops explain -  # every code in a text";

/// Which code.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// AADSTS…, a code of Key Vault or Graph, a rule KVO…, exit-N, `alternatives`, or - for a text with codes
    /// [default: list all]
    #[arg(value_name = "CODE")]
    codes: Vec<String>,
    #[command(flatten)]
    pub(super) output: Output,
}

/// What is known about a code.
#[derive(Clone, Debug, Serialize)]
struct Entry {
    code: String,
    /// Who says it.
    source: &'static str,
    meaning: String,
    /// Whether the same request may succeed later.
    retryable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    when: Option<&'static str>,
    next: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
}

/// A line of the list.
#[derive(Tabled)]
struct Row<'a> {
    code: &'a str,
    source: &'a str,
    meaning: String,
}

/// Runs `kvops explain`.
pub(crate) fn run(args: &Args, global: &Global, environment: &Environment) -> Result<Exit, Failure> {
    let console = Console::new(args.output.output, global.no_color, global.quiet, environment);
    let all = catalogue();
    let written = if args.codes.is_empty() {
        console.result(&all, || list(&all))
    } else {
        let mut found = Vec::new();
        for code in &args.codes {
            if code == "-" {
                found.extend(of_text(&standard_input()?, &all)?);
            } else {
                found.push(of_code(code, &all)?);
            }
        }
        console.result(&found, || found.iter().map(|entry| entry.for_people(console)).collect::<Vec<_>>().join("\n"))
    };
    written.map(|()| Exit::Ok).map_err(|error| Failure::from_error(Exit::Upstream, &error))
}

fn standard_input() -> Result<String, Failure> {
    let mut bytes = Vec::new();
    let read = std::io::stdin().take(LONGEST_INPUT).read_to_end(&mut bytes);
    read.map_err(|error| Failure::new(Exit::Usage, format!("standard input cannot be read: {error}")))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// All that is known, in the order of the list.
fn catalogue() -> Vec<Entry> {
    let entra = meanings().iter().map(Entry::of_token_endpoint);
    let tables = [("Key Vault", codes::KEY_VAULT), ("Microsoft Graph", codes::GRAPH), ("kvops", codes::EXITS)];
    let services = tables.into_iter().flat_map(|(source, codes)| codes.iter().map(move |code| Entry::of(source, code)));
    let rules = crate::audit::rules::RULES.iter().map(|rule| Entry::of_rule(rule));
    entra.chain(services).chain([alternatives()]).chain(rules).collect()
}

fn of_code(text: &str, all: &[Entry]) -> Result<Entry, Failure> {
    let asked = text.trim();
    if let Some(entry) = all.iter().find(|entry| entry.code.eq_ignore_ascii_case(asked)) {
        return Ok(entry.clone());
    }
    // `700027` alone is how sign-in logs write it.
    if let Some(number) = number(asked) {
        return Ok(meaning_of(number).map_or_else(|| Entry::unknown(number), Entry::of_token_endpoint));
    }
    let failure = Failure::new(Exit::Usage, format!("`{}` is no code that is known here", printable(asked)))
        .hint("run `kvops explain` for all of them, or pipe the whole error into `kvops explain -`");
    let likeness = |entry: &Entry| strsim::jaro_winkler(&entry.code.to_lowercase(), &asked.to_lowercase());
    match all.iter().max_by(|a, b| likeness(a).total_cmp(&likeness(b))) {
        Some(entry) if likeness(entry) >= ALIKE => Err(failure.hint(format!("did you mean `{}`?", entry.code))),
        _ => Err(failure),
    }
}

fn number(text: &str) -> Option<u32> {
    let upper = text.to_ascii_uppercase();
    let digits = upper.strip_prefix("AADSTS").unwrap_or(&upper);
    (digits.len() >= 5 && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| digits.parse().ok())?
}

/// Each code that stands in a text as a word of its own, in the order in which they come.
fn of_text(text: &str, all: &[Entry]) -> Result<Vec<Entry>, Failure> {
    let mut found: Vec<Entry> = Vec::new();
    for word in text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_' || c == '-')) {
        let entry = match all.iter().find(|entry| entry.code == word && entry.source != TOPIC) {
            Some(entry) => Some(entry.clone()),
            None => word.strip_prefix("AADSTS").and_then(number).map(Entry::unknown),
        };
        if let Some(entry) = entry
            && found.iter().all(|other| other.code != entry.code)
        {
            found.push(entry);
        }
    }
    if found.is_empty() {
        return Err(Failure::new(Exit::Usage, "no code that is known here stands in the text")
            .hint("run `kvops explain` for all of them"));
    }
    Ok(found)
}

const TOPIC: &str = "topic";

/// What to use in place of a shared secret, the best first.
fn alternatives() -> Entry {
    let next = [
        "no credential: a managed identity, where the workload runs in Azure; `kvops audit` says where it would do (KVO121)",
        "no credential: a federated credential, where the workload runs in GitHub, Azure Pipelines, Kubernetes or has an \
         issuer of its own; see `kvops jwks`",
        "a certificate whose key cannot leave the vault: `kvops provision`",
        "where a secret must stay: let it live for days, keep it in a vault, and limit with Conditional Access for workload \
         identities from which networks it works",
        "where the caller can't be changed: an API gateway in front, that limits networks and holds the credential",
        "never: a user account as a service account",
    ];
    Entry {
        code: "alternatives".to_owned(),
        source: TOPIC,
        meaning: "what to use in place of a shared secret, the best first".to_owned(),
        retryable: false,
        when: None,
        next: next.map(str::to_owned).to_vec(),
        reference: Some("https://learn.microsoft.com/entra/workload-id/workload-identity-federation".to_owned()),
    }
}

impl Entry {
    fn of(source: &'static str, code: &Code) -> Self {
        Self {
            code: code.code.to_owned(),
            source,
            meaning: code.meaning.to_owned(),
            retryable: code.retry.is_some(),
            when: code.retry,
            next: code.next.iter().map(|&next| next.to_owned()).collect(),
            reference: None,
        }
    }

    fn of_token_endpoint(meaning: &Meaning) -> Self {
        let when = match meaning.retry {
            Retry::Never => None,
            Retry::AfterAttach => Some("for some minutes after a certificate was attached"),
            Retry::AfterCreate => Some("for some minutes after the application was registered"),
            Retry::Rebuilt => Some("with a new assertion, once clock and audience are right"),
            Retry::BackOff => Some("after some minutes"),
        };
        Self {
            code: format!("AADSTS{}", meaning.code),
            source: "Microsoft Entra",
            meaning: meaning.what.to_owned(),
            retryable: when.is_some(),
            when,
            next: vec![meaning.hint.to_owned()],
            reference: Some(page(meaning.code)),
        }
    }

    /// A number of the token endpoint that is not in the catalogue: Microsoft's page has them all.
    fn unknown(number: u32) -> Self {
        Self {
            code: format!("AADSTS{number}"),
            source: "Microsoft Entra",
            meaning: "not in this catalogue; Microsoft's page below has its text".to_owned(),
            retryable: false,
            when: None,
            next: Vec::new(),
            reference: Some(page(number)),
        }
    }

    fn of_rule(rule: &crate::audit::Rule) -> Self {
        Self {
            code: rule.id.to_owned(),
            source: "kvops audit",
            meaning: rule.title.to_owned(),
            retryable: false,
            when: None,
            next: vec![rule.fix.replace(['{', '}'], ""), format!("read more with `kvops policy show {}`", rule.id)],
            reference: rule.references.first().map(|&reference| reference.to_owned()),
        }
    }

    fn for_people(&self, console: Console) -> String {
        let mut lines = Lines::default();
        if self.source != TOPIC && self.source != "kvops audit" {
            let helps = match self.when {
                Some(when) => format!("yes: {when}"),
                None => "no".to_owned(),
            };
            lines.add("waiting helps", helps);
        }
        for next in &self.next {
            lines.add("next", next.clone());
        }
        if let Some(reference) = &self.reference {
            lines.add("see", reference.clone());
        }
        let title = console.paint(Tone::Strong, &self.code);
        format!("{title} ({}): {}\n{}", self.source, self.meaning, lines.text(console))
    }
}

/// Where Microsoft explains a number of the token endpoint.
fn page(number: u32) -> String {
    format!("https://login.microsoftonline.com/error?code={number}")
}

fn list(all: &[Entry]) -> String {
    let rows = all.iter().filter(|entry| entry.source != "kvops audit").map(|entry| Row {
        code: &entry.code,
        source: entry.source,
        meaning: super::view::short(&entry.meaning, 90),
    });
    format!("{}\nRules: `kvops policy list`\n", Table::new(rows).with(Style::sharp()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_is_there_once_and_says_what_to_do() {
        let all = catalogue();
        for (index, entry) in all.iter().enumerate() {
            assert!(
                all[index + 1..].iter().all(|other| !other.code.eq_ignore_ascii_case(&entry.code)),
                "{}",
                entry.code
            );
            assert!(!entry.meaning.is_empty());
            assert!(!entry.next.is_empty() || entry.code == "exit-0", "{}", entry.code);
        }
        let exits: Vec<_> = Exit::ALL.iter().map(|exit| format!("exit-{}", u8::from(*exit))).collect();
        assert_eq!(exits, codes::EXITS.iter().map(|code| code.code).collect::<Vec<_>>());
    }

    #[test]
    fn codes_are_found_in_any_case_and_by_number_alone() {
        let all = catalogue();
        for (text, code) in [
            ("aadsts700027", "AADSTS700027"),
            ("700027", "AADSTS700027"),
            (" forbiddenbyrbac ", "ForbiddenByRbac"),
            ("kvo201", "KVO201"),
            ("AADSTS99999999", "AADSTS99999999"),
        ] {
            assert_eq!(of_code(text, &all).unwrap().code, code);
        }
        let near = of_code("ForbidenByRbac", &all).unwrap_err();
        assert!(near.to_string().contains("did you mean `ForbiddenByRbac`?"), "{near}");
        for nonsense in ["", "700", "no\u{1b}[31mcode", "AADSTS-1", "AADSTS99999999999999"] {
            let failure = of_code(nonsense, &all).unwrap_err();
            assert_eq!(failure.exit(), Exit::Usage);
            assert!(!failure.to_string().contains('\u{1b}'));
        }
    }

    #[test]
    fn every_code_of_a_text_is_explained_once() {
        let text = "error: x\n Key Vault 403 Forbidden/ForbiddenByRbac, AADSTS700027: The key\r\nAADSTS700027 alternatives AADSTS12345.";
        let found = of_text(text, &catalogue()).unwrap();
        let codes: Vec<_> = found.iter().map(|entry| entry.code.as_str()).collect();
        assert_eq!(codes, ["ForbiddenByRbac", "AADSTS700027", "AADSTS12345"]);
        assert_eq!(of_text("all is well", &catalogue()).unwrap_err().exit(), Exit::Usage);
    }
}
