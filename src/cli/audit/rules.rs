//! The rules of a run: profile, limits, waivers, baseline, rules of the user's own.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use super::super::context::Context;
use super::super::exit::Exit;
use super::super::failure::Failure;
use super::super::own::OwnFiles;
use super::Rules;
use super::evidence::Seen;
use super::outputs;
use super::record;
use super::sign;
use crate::audit::facts::Joined;
use crate::audit::{
    self, Baseline, BaselineSignature, Choice, DeadRules, Error, File, Ground, Manifest, Policy, Report, check_canary,
    judge,
};
use crate::inventory::{self, Inventory};

/// Rules that are in order.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) policy: Policy,
    own: OwnFiles,
    baseline: Option<Known>,
    /// What the ledger says.
    recorded: Option<audit::History>,
}

/// A baseline that was read.
#[derive(Debug)]
struct Known {
    file: String,
    baseline: Baseline,
    /// Whether a key that was named has signed it.
    is_signed: bool,
}

impl Loaded {
    /// Reads and checks everything that judges, the canary included.
    pub(super) fn new(args: &Rules, context: &Context) -> Result<Self, Failure> {
        let team = args.params.as_deref().map(file).transpose()?;
        let waivers = args.waivers.as_deref().map(file).transpose()?;
        let today = context.http().clock().now().date();
        let own = OwnFiles::load(args.policy.as_deref())?;
        let choice = Choice {
            profile: args.profile.as_deref(),
            team: team.as_ref(),
            waivers: waivers.as_ref(),
            own: own.known(),
            today,
        };
        let policy = Policy::load(&choice)?;
        check_canary(&policy)?;
        let baseline = args.baseline.as_deref().or(args.new_since.as_deref());
        let baseline = baseline.map(|path| known(path, args.baseline_certificate.as_deref(), context)).transpose()?;
        Ok(Self { policy, own, baseline, recorded: record::history(context)? })
    }

    /// A baseline of another tenant would hide nothing and find everything new.
    pub(super) fn check_tenant(&self, inventory: &Inventory) -> Result<(), Failure> {
        let Some(known) = &self.baseline else { return Ok(()) };
        let checked = known.baseline.check_tenant(&known.file, &inventory.header.tenant);
        checked.map_err(|error| Failure::from_error(Exit::Usage, &error))
    }

    /// What was known earlier, and what kvops itself recorded.
    pub(super) fn history(&self) -> inventory::Seen<audit::History> {
        let known = self.baseline.as_ref().map(|known| known.baseline.history());
        match (known, &self.recorded) {
            (Some(inventory::Seen::Read(mut known)), Some(recorded)) => {
                known.add(recorded);
                inventory::Seen::Read(known)
            }
            (None, Some(recorded)) => inventory::Seen::Read(recorded.clone()),
            (known, None) => known.unwrap_or_default(),
            (Some(unread), Some(_)) => unread,
        }
    }

    /// Judges, and lays waivers and baseline over what was found.
    pub(super) fn judge(&self, seen: &Seen, manifest: &Manifest, context: &Context) -> Result<Report, Failure> {
        let history = self.history();
        let mut report = judge(&seen.inventory, &self.policy, manifest, &history);
        if !self.policy.own.is_empty() {
            let joined = Joined::new(&seen.inventory, manifest, &history, &self.policy.data);
            self.own.judge(&joined, &self.policy, &mut report)?;
        }
        let now = match &seen.file {
            Some(_) => context.http().clock().now(),
            None => seen.inventory.header.collected_at,
        };
        let ground = Ground {
            policy: &self.policy,
            baseline: self.baseline.as_ref().map(|known| &known.baseline),
            input: seen.file.as_ref(),
            now,
        };
        report.conclude(&ground, &seen.inventory);
        for warning in &report.warnings {
            context.console().warn(warning);
        }
        Ok(report)
    }

    /// What is no longer as a signed baseline recorded it, one line each.
    pub(super) fn drift(&self, report: &Report) -> Vec<String> {
        let signed = self.baseline.as_ref().filter(|known| known.is_signed);
        signed.map(|known| known.baseline.drift(report)).unwrap_or_default()
    }

    /// Writes down what is known now, for the next run to compare with.
    pub(super) fn write_baseline(
        &self,
        path: &Path,
        report: &Report,
        inventory: &Inventory,
        manifest: &Manifest,
    ) -> Result<(), Failure> {
        let before = self.baseline.as_ref().map(|known| &known.baseline);
        let baseline = Baseline::after(report, inventory, manifest, before);
        outputs::whole(path, |out| {
            let mut out = io::BufWriter::new(out);
            baseline.write(&mut out)?;
            out.flush()
        })
    }
}

fn read(path: &Path) -> Result<String, Failure> {
    fs::read_to_string(path).map_err(|error| Failure::new(Exit::Usage, format!("{}: {error}", path.display())))
}

fn file(path: &Path) -> Result<File, Failure> {
    Ok(File::new(path.display().to_string(), read(path)?))
}

/// Reads a baseline, and has it be as it was signed where the certificate of the key is named.
fn known(path: &Path, certificate: Option<&Path>, context: &Context) -> Result<Known, Failure> {
    let file = path.display().to_string();
    let text = read(path)?;
    let signature = sign::beside(path);
    match certificate {
        Some(certificate) => {
            let unsigned = |problem: String| {
                Failure::new(Exit::Changed, format!("{file} is not the baseline that was signed: {problem}"))
                    .hint("compare it with its last reviewed version; `kvops audit sign` signs it anew")
            };
            let certificates = context.certificates(certificate)?;
            let bytes = fs::read(&signature).map_err(|error| unsigned(format!("{}: {error}", signature.display())))?;
            let checked = BaselineSignature::read(&bytes).and_then(|read| read.verify(text.as_bytes(), &certificates));
            checked.map_err(|error| unsigned(error.to_string()))?;
        }
        None if signature.exists() => context.console().note(&format!(
            "{} was not checked: name the certificate of its key with --baseline-certificate",
            signature.display()
        )),
        None => {}
    }
    let baseline = Baseline::read(&file, &text).map_err(|error| Failure::from_error(Exit::Usage, &error))?;
    Ok(Known { file, baseline, is_signed: certificate.is_some() })
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::from_error(Exit::Usage, &error)
    }
}

impl From<DeadRules> for Failure {
    fn from(error: DeadRules) -> Self {
        Self::from_error(Exit::Usage, &error).hint(
            "a rule that finds nothing where a fault was planted would find nothing in the tenant: check the limits",
        )
    }
}
