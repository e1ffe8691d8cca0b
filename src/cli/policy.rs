//! `kvops policy`: which rules there are, what each of them means, and whether those of a team are sound.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde_json::Value as Json;
use tabled::settings::Style;
use tabled::{Table, Tabled};

use super::console::{Console, Tone};
use super::exit::Exit;
use super::failure::Failure;
use super::global::{Global, Output};
use super::own::OwnFiles;
use super::view::Lines;
use crate::audit::{Choice, File, LIMITS, Policy, Rule, book, check_canary, index};
use crate::domain::{Clock as _, Environment, SystemClock};
use crate::inventory::Evidence;

/// What to show, or to test.
#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Each rule with its severity
    List(List),
    /// One rule: what it finds, why that matters, what to do, and the limits in force
    Show(Show),
    /// All rules as one Markdown document
    Doc(Doc),
    /// Whether limits, waivers and rules are sound: nothing unknown, nothing out of range, no rule dead
    Test(Test),
}

/// Which rules and limits are in force.
#[derive(Debug, clap::Args)]
pub(crate) struct InForce {
    /// seed, default, strict, cis, scuba or ci-pr
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Limits and severities in place of the profile's (TOML)
    #[arg(long, value_name = "FILE")]
    params: Option<PathBuf>,
}

/// Arguments of `kvops policy list`.
#[derive(Debug, clap::Args)]
pub(crate) struct List {
    #[command(flatten)]
    in_force: InForce,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// Arguments of `kvops policy show`.
#[derive(Debug, clap::Args)]
pub(crate) struct Show {
    /// Id of the rule, such as KVO101
    rule: String,
    #[command(flatten)]
    in_force: InForce,
    #[command(flatten)]
    pub(crate) output: Output,
}

/// Arguments of `kvops policy doc`.
#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Doc {
    /// Only the index
    #[arg(long)]
    index: bool,
}

/// Arguments of `kvops policy test`.
#[derive(Debug, clap::Args)]
pub(crate) struct Test {
    /// Folder of rules of your own in Rego, whose tests are run
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
    #[command(flatten)]
    in_force: InForce,
    /// What is accepted for now, by whom, why and until when (TOML)
    #[arg(long, value_name = "FILE")]
    waivers: Option<PathBuf>,
}

/// A rule in a list.
#[derive(Serialize, Tabled)]
#[serde(rename_all = "camelCase")]
struct Row {
    rule: &'static str,
    severity: String,
    title: &'static str,
    #[tabled(skip)]
    name: &'static str,
    #[tabled(skip)]
    group: crate::audit::Group,
    #[tabled(skip)]
    since: &'static str,
    #[tabled(skip)]
    needs: &'static [Evidence],
    #[tabled(skip)]
    params: BTreeMap<&'static str, Json>,
    #[tabled(skip)]
    fix: &'static str,
    #[tabled(skip)]
    mitre: &'static [&'static str],
    #[tabled(skip)]
    controls: &'static [&'static str],
    #[tabled(skip)]
    references: &'static [&'static str],
}

/// Runs `kvops policy`.
pub(crate) fn run(command: &Command, global: &Global, environment: &Environment) -> Result<Exit, Failure> {
    let written = match command {
        Command::List(args) => {
            let console = Console::new(args.output.output, global.no_color, global.quiet, environment);
            let policy = policy(&args.in_force, None, &OwnFiles::default())?;
            let rows: Vec<Row> = policy.rules.iter().map(|rule| Row::of(rule, &policy)).collect();
            console.result(&rows, || Table::new(&rows).with(Style::sharp()).to_string())
        }
        Command::Show(args) => {
            let console = Console::new(args.output.output, global.no_color, global.quiet, environment);
            let policy = policy(&args.in_force, None, &OwnFiles::default())?;
            let rule = known(&args.rule)?;
            let row = Row::of(rule, &policy);
            console.result(&row, || format!("{}\n{}", page(rule.page, console), facts(rule, &row, &policy, console)))
        }
        Command::Doc(doc) => {
            let console = Console::new(None, true, global.quiet, environment);
            console.line(&if doc.index { index() } else { book() })
        }
        Command::Test(args) => {
            let console = Console::new(None, global.no_color, global.quiet, environment);
            console.line(&test(args, console)?)
        }
    };
    written.map(|()| Exit::Ok).map_err(|error| Failure::from_error(Exit::Upstream, &error))
}

fn policy(in_force: &InForce, waivers: Option<&Path>, own: &OwnFiles) -> Result<Policy, Failure> {
    let team = in_force.params.as_deref().map(file).transpose()?;
    let waivers = waivers.map(file).transpose()?;
    let today = SystemClock.now().date();
    let choice = Choice {
        profile: in_force.profile.as_deref(),
        team: team.as_ref(),
        waivers: waivers.as_ref(),
        own: own.known(),
        today,
    };
    Policy::load(&choice).map_err(|error| Failure::from_error(Exit::Usage, &error))
}

fn file(path: &Path) -> Result<File, Failure> {
    let text = fs::read_to_string(path);
    let text = text.map_err(|error| Failure::new(Exit::Usage, format!("{}: {error}", path.display())))?;
    Ok(File::new(path.display().to_string(), text))
}

fn known(id: &str) -> Result<&'static Rule, Failure> {
    crate::audit::rules::rule(id).ok_or_else(|| {
        Failure::new(Exit::Usage, format!("there is no rule `{id}`"))
            .hint("run `kvops policy list --profile strict` for all of them")
    })
}

fn test(args: &Test, console: Console) -> Result<String, Failure> {
    let own = OwnFiles::load(args.folder.as_deref())?;
    let policy = policy(&args.in_force, args.waivers.as_deref(), &own)?;
    for warning in &policy.warnings {
        console.warn(warning);
    }
    check_canary(&policy).map_err(|error| Failure::from_error(Exit::Usage, &error))?;
    let (held, failed) = own.test()?;
    if !failed.is_empty() {
        return Err(Failure::new(Exit::Usage, format!("these tests do not hold: {}", failed.join(", "))));
    }
    let good = console.paint(Tone::Good, "sound:");
    let (rules, waivers) = (policy.rules.len(), policy.waivers.len());
    let mut said = format!("{good} {rules} rules of profile {} found what was planted for them", policy.profile);
    if waivers > 0 {
        said = format!("{said}; {waivers} waivers are in order");
    }
    if !policy.own.is_empty() {
        said = format!("{said}; {held} tests of your own rules hold");
    }
    Ok(said)
}

impl Row {
    fn of(rule: &'static Rule, policy: &Policy) -> Self {
        let in_force = serde_json::to_value(&policy.params).unwrap_or_default();
        let params = rule.params.iter().map(|name| (*name, in_force.get(*name).cloned().unwrap_or_default()));
        Self {
            rule: rule.id,
            severity: policy.severity_of(rule).to_string(),
            title: rule.title,
            name: rule.name,
            group: rule.group,
            since: rule.since,
            needs: rule.needs,
            params: params.collect(),
            fix: rule.fix,
            mitre: rule.mitre,
            controls: rule.controls,
            references: rule.references,
        }
    }
}

/// A page for a terminal: what Markdown marks is painted, and its marks go.
fn page(markdown: &str, console: Console) -> String {
    let mut text = String::new();
    let mut is_code = false;
    for line in markdown.lines() {
        if line.starts_with("```") {
            is_code = !is_code;
            continue;
        }
        let line = match line.strip_prefix("# ") {
            _ if is_code => format!("    {line}"),
            Some(heading) => console.paint(Tone::Strong, heading),
            None => strong(line, console).replace('`', ""),
        };
        text.push_str(&line);
        text.push('\n');
    }
    text
}

fn strong(line: &str, console: Console) -> String {
    let parts = line.split("**").enumerate();
    parts
        .map(|(index, part)| if index % 2 == 1 { console.paint(Tone::Strong, part) } else { part.to_owned() })
        .collect()
}

fn facts(rule: &Rule, row: &Row, policy: &Policy, console: Console) -> String {
    let mut lines = Lines::default();
    lines.add("name", rule.name).add("severity", row.severity.clone());
    let runs = policy.rules.iter().any(|other| other.id == rule.id);
    lines.add("in profile", format!("{} {}", if runs { "yes:" } else { "no:" }, policy.profile));
    lines.add("needs", rule.needs.iter().map(ToString::to_string).collect::<Vec<_>>().join(", "));
    for (name, value) in &row.params {
        let range = LIMITS.get(*name).map(|limit| format!(" ({})", limit.range())).unwrap_or_default();
        lines.add("parameter", format!("{name} = {value}{range}"));
    }
    for (name, values) in [("ATT&CK", rule.mitre), ("controls", rule.controls), ("see", rule.references)] {
        if !values.is_empty() {
            lines.add(name, values.join(", "));
        }
    }
    lines.text(console)
}
