//! `kvops rotate --from-eml` and `--from-event`: what somebody says about a certificate, confirmed in
//! vault and directory, and only then rotated.

mod confirm;
mod events;
mod home;

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

pub(super) use self::events::run as events;
use super::context::Context;
use super::exit::Exit;
use super::failure::Failure;
use super::provision::Alg;
use super::rotate;
use crate::domain::{Chain, printable};
use crate::notice::{self, MOST_BYTES};
use crate::rotate::{Demand, Stage};

/// What is asked of each rotation.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wanted {
    /// What for, and how far.
    pub(super) demand: Demand,
    /// Algorithm of the assertions.
    pub(super) alg: Option<Alg>,
    /// Whether to say only what would be done.
    pub(super) plan: bool,
}

impl Wanted {
    fn only_looks(self) -> bool {
        self.plan || self.demand.until == Stage::Preflight
    }
}

/// Rotates what a mail is about.
pub(super) async fn mail(path: &Path, wanted: Wanted, context: &Context) -> Result<Exit, Failure> {
    let bytes = read(path)?;
    let notice = notice::mail::read(&bytes, context.http().cloud()).map_err(|error| {
        refused("the mail", path, &error).hint(
            "hand on the mail as it came, with its headers; or look the certificate up yourself with `kvops cert list` \
             and name it with --vault and --name",
        )
    })?;
    let confirmed = confirm::confirm(context, &notice, wanted.alg).await.map_err(|doubt| doubt.failure("the mail"))?;
    confirmed.say(context);
    if wanted.only_looks() {
        let plan = rotate::plan(context, &confirmed.subject, wanted.demand, wanted.alg).await?;
        context.print(&plan, || rotate::plan_text(context.console(), &plan))?;
        return Ok(Exit::Ok);
    }
    let report = rotate::rotate(context, &confirmed.subject, wanted.demand, wanted.alg, None).await?;
    rotate::show(context, &report, wanted.demand)?;
    Ok(Exit::Ok)
}

/// A file, or standard input for `-`, as far as a notice can be long.
fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let limit = MOST_BYTES as u64 + 1;
    let read = if path == Path::new("-") {
        io::stdin().lock().take(limit).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes))
    };
    match read {
        Ok(_) => Ok(bytes),
        Err(error) => Err(Failure::new(Exit::Usage, format!("{} cannot be read: {error}", path.display()))),
    }
}

/// A notice that is not even looked into.
fn refused(what: &str, path: &Path, error: &notice::Error) -> Failure {
    let path = printable(&path.display().to_string());
    let place = if path == "-" { "on standard input" } else { path.as_str() };
    Failure::new(Exit::Usage, format!("{what} {place} is refused, and nobody was asked anything: {}", Chain(error)))
}
