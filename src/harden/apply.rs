//! Carrying changes out: looked at again before, written, and read until it stays so.

use serde_json::Value;

use super::error::Error;
use super::registration::{Change, What, at, body, federation_body, grant_body, holds};
use crate::domain::{AppId, ObjectId};
use crate::graph;
use crate::ledger::{self, Object, Record};
use crate::provision::key_list::{BETWEEN_READINGS, EQUAL_READINGS, LATE_READINGS, MOST_REPAIRS};
use crate::provision::watch;
use crate::provision::{Journal, Watcher};

/// Whose registration is changed, by whom.
#[derive(Clone, Copy, Debug)]
pub struct Hardener<'a> {
    /// The directory.
    pub graph: &'a graph::Client,
    /// Object id of the application.
    pub id: ObjectId,
    /// Its client id.
    pub app_id: AppId,
    /// Object id of its service principal, to which permissions are granted.
    pub principal: Option<ObjectId>,
    /// Who looks on.
    pub watcher: &'a dyn Watcher,
}

impl Hardener<'_> {
    /// Makes one change, with a line in the ledger before and after.
    pub async fn change(&self, change: &Change, journal: Journal<'_>) -> Result<(), Error> {
        watch::check(self.watcher, "before the next change")?;
        self.watcher.doing(&format!("changing: {}", change.title));
        let object = Object { application: Some(self.id), app_id: Some(self.app_id), ..Object::default() };
        let record = Record::of(object)
            .fact("rule", change.rule)
            .fact("what", &change.title)
            .fact("now", &change.now)
            .fact("then", &change.then);
        journal.step(ledger::Step::Register, record, self.carry_out(change), |()| Record::default()).await?;
        self.watcher.done(&format!("changed: {}", change.title));
        Ok(())
    }

    async fn carry_out(&self, change: &Change) -> Result<(), Error> {
        let clock = self.graph.http().clock();
        let found = self.read(change).await?;
        if holds(&found, &change.then) {
            return Ok(());
        }
        if found != change.now {
            return Err(Error::Changed { what: change.title.clone(), holder: self.id });
        }
        self.write(change).await?;
        let (mut settled, mut unsettled, mut times) = (0, 0, 1);
        while settled < EQUAL_READINGS {
            watch::check(self.watcher, "while the change spreads")?;
            let found = self.read(change).await?;
            if holds(&found, &change.then) {
                (settled, unsettled) = (settled + 1, 0);
            } else {
                (settled, unsettled) = (0, unsettled + 1);
            }
            if unsettled >= LATE_READINGS {
                // Somebody else has written something new meanwhile: that is theirs to decide.
                if found != change.now {
                    return Err(Error::Changed { what: change.title.clone(), holder: self.id });
                }
                if times > MOST_REPAIRS {
                    return Err(Error::StillThere { what: change.title.clone(), holder: self.id, times });
                }
                self.write(change).await?;
                (times, unsettled) = (times + 1, 0);
            }
            clock.sleep(BETWEEN_READINGS).await;
        }
        Ok(())
    }

    /// What is there now, in the form of the change.
    async fn read(&self, change: &Change) -> Result<Value, Error> {
        match &change.what {
            What::Member { path } => {
                let raw = self.graph.application(self.id).await?.raw;
                Ok(at(&raw, path).cloned().unwrap_or(Value::Null))
            }
            What::Grant { id } => {
                let Some(principal) = self.principal else { return Ok(Value::Null) };
                let grants = self.graph.grants_of(principal).all().await?.items;
                // One that has grown since is no longer what was planned.
                Ok(grants.iter().find(|grant| grant.id == *id).map_or(Value::Null, grant_body))
            }
            What::Federation { id } => {
                let federated = self.graph.federation(self.id).all().await?.items;
                Ok(federated.iter().find(|known| known.id == *id).map_or(Value::Null, federation_body))
            }
        }
    }

    async fn write(&self, change: &Change) -> Result<(), Error> {
        match &change.what {
            What::Member { path } => self.graph.change_application(self.id, &body(path, &change.then)).await?,
            What::Grant { id } => self.graph.revoke_grant(id).await?,
            What::Federation { id } => self.graph.remove_federation(self.id, *id).await?,
        }
        Ok(())
    }
}
