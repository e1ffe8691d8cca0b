//! The rotation of the story, on both sides of its soak, and the evidence that is left of it.

use std::path::{Path, PathBuf};

use super::{APP, FOLDER, Failure, Lines, Narrator, Stage, Tone, broken, name};
use crate::cli::exit::Exit;
use crate::cli::interrupt::Interrupt;
use crate::cli::view;
use crate::domain::{Application, TAG_LEDGER};
use crate::ledger::{self, Actor, Anchor, Ledger, Phase, Run};
use crate::provision::{Journal, SignIn};
use crate::rotate::{Demand, OVERLAP_DAYS, Outcome, Purpose, Report, Rotator, Wish};

impl Stage {
    /// A new key beside the old one; after the overlap the old one goes, and is refused.
    pub(super) async fn rotate(&self, application: &Application) -> Result<(), Failure> {
        let scene = self.scene();
        scene.title(8, "The key has to be renewed, and nobody may notice")?;
        scene.command(&format!("kvops rotate --app {APP}"))?;
        let begun = self.rotated(application, Purpose::Renew).await?;
        let Some(soak) = begun.soak.filter(|_| begun.outcome == Outcome::Soaking && begun.has_created) else {
            return Err(broken("the rotation did not let both keys be trusted for a while"));
        };
        let mut lines = Lines::default();
        lines.add("both keys work", format!("until {}, for whoever still has to change over", view::date(soak.until)));
        scene.show(&lines)?;
        scene.title(9, &format!("{OVERLAP_DAYS} days later"))?;
        self.lab.clock().set(soak.until);
        scene.command(&format!("kvops rotate --app {APP} --finish"))?;
        let ended = self.rotated(application, Purpose::Finish).await?;
        let gone = ended.applications.iter().flat_map(|application| &application.removed).count();
        let refused = ended.applications.iter().flat_map(|application| &application.refused).next();
        let Some(refused) = refused.filter(|_| ended.outcome == Outcome::Rotated && gone == 1) else {
            return Err(broken("the old key is not gone, or not refused"));
        };
        let mut lines = Lines::default();
        lines.add("the old key", format!("refused with {}: its removal is proven, too", refused.code));
        lines.add("the new key", self.console.paint(Tone::Good, "works, as it did all the time"));
        scene.show(&lines)
    }

    async fn rotated(&self, application: &Application, purpose: Purpose) -> Result<Report, Failure> {
        let story = ledger::read(&ledger_path()).map_err(|error| Failure::from_error(Exit::Usage, &error))?;
        let sign_in = SignIn { http: self.http.clone(), tenant: self.tenant.clone(), algorithm: None };
        let watcher = Narrator { scene: self.scene(), interrupt: Interrupt::listen() };
        let rotator = Rotator {
            vault: &self.vault,
            graph: &self.graph,
            sign_in: &sign_in,
            watcher: &watcher,
            story: &story,
            may_write: None,
        };
        let wish = Wish {
            name: name()?,
            application: Some((application.id, application.app_id)),
            demand: Demand { purpose, ..Demand::default() },
            snapshot: None,
        };
        let run = self.journal()?;
        Ok(rotator.run(&wish, Journal { run: &run, http: &self.http }).await?)
    }

    /// Shows what was written down, and that nobody has changed it since.
    pub(super) async fn the_evidence(&self) -> Result<(), Failure> {
        let scene = self.scene();
        scene.title(10, "What is left as evidence")?;
        scene.command("kvops ledger show && kvops ledger verify --online")?;
        let path = ledger_path();
        let text =
            std::fs::read(&path).map_err(|error| Failure::new(Exit::Usage, format!("{}: {error}", path.display())))?;
        let entries = ledger::entries(&text);
        let first = entries.first().map(|entry| entry.run);
        let of_rotation = |entry: &&ledger::Entry| entry.phase == Phase::Done && Some(entry.run) != first;
        for entry in entries.iter().filter(of_rotation) {
            let facts: Vec<_> = entry.facts.iter().map(|(name, value)| format!("{name} {value}")).collect();
            let line =
                format!("{:>3} {} {:14} {}", entry.seq, view::date(entry.at), entry.step.name(), facts.join(", "));
            scene.say(&view::short(&line, WIDTH))?;
        }
        let newest = self.vault.certificate(&name()?, None).await?;
        let anchor = newest.tags.get(TAG_LEDGER).and_then(|tag| tag.parse().ok());
        let Some(hash) = anchor else { return Err(broken("the newest version does not carry the ledger's hash")) };
        let verified = ledger::verify(&text, &[Anchor { source: TAG_LEDGER.to_owned(), hash }]);
        let mut lines = Lines::default();
        lines.add("entries", format!("{} in {}", verified.entries, path.display()));
        lines.add("verified", self.console.paint(Tone::Good, "each carries the hash of the one before"));
        lines.add("anchor", format!("the tag {TAG_LEDGER} on the newest version knows {}…", &hash.to_string()[..12]));
        scene.show(&lines)?;
        if verified.is_sound() { Ok(()) } else { Err(broken("the ledger does not verify")) }
    }

    /// The next run's pen on the record of this story.
    pub(super) fn journal(&self) -> Result<Run, Failure> {
        let ledger = Ledger::open(&ledger_path()).map_err(|error| Failure::from_error(Exit::Usage, &error))?;
        let actor = Actor { principal: "the operator of the lab".to_owned(), source: "env".to_owned() };
        let http = self.http.clone();
        Ok(Run::new(ledger, self.http.new_guid(), actor, move || http.service_now()))
    }
}

/// Columns of a line of evidence.
const WIDTH: usize = 114;

/// The record of this story.
pub(super) fn ledger_path() -> PathBuf {
    Path::new(FOLDER).join("ledger.jsonl")
}
