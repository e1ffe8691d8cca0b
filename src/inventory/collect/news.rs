//! What the directory's side of a run tells the vaults' side, while both are still reading.

use std::collections::HashSet;

use tokio::sync::oneshot;

use super::join::{Sha1, Wanted};

/// What the credentials of a class point at, by bytes where they are known already and else by label.
pub(super) type Pointed = HashSet<Sha1>;

/// The end that tells. Whoever drops it has nothing to tell.
#[derive(Debug)]
pub(super) struct Teller {
    /// As soon as all applications are listed.
    pub(super) applications: oneshot::Sender<Pointed>,
    /// As soon as all service principals are.
    pub(super) principals: oneshot::Sender<Pointed>,
    /// As soon as the bytes of their certificates are known too.
    pub(super) wanted: oneshot::Sender<Wanted>,
}

/// The end that is told.
#[derive(Debug)]
pub(super) struct Listener {
    applications: oneshot::Receiver<Pointed>,
    principals: oneshot::Receiver<Pointed>,
    wanted: oneshot::Receiver<Wanted>,
}

/// Both ends.
pub(super) fn channel() -> (Teller, Listener) {
    let (applications, of_applications) = oneshot::channel();
    let (principals, of_principals) = oneshot::channel();
    let (wanted, of_wanted) = oneshot::channel();
    (
        Teller { applications, principals, wanted },
        Listener { applications: of_applications, principals: of_principals, wanted: of_wanted },
    )
}

impl Listener {
    /// What all credentials point at, before their bytes are known; `None` where nobody tells.
    pub(super) async fn pointed(&mut self) -> Option<Pointed> {
        let (applications, principals) = futures::future::join(&mut self.applications, &mut self.principals).await;
        let mut pointed = applications.ok()?;
        pointed.extend(principals.ok()?);
        Some(pointed)
    }

    /// What is wanted of the vaults; `None` if the directory's side has come to a bad end.
    pub(super) async fn wanted(self) -> Option<Wanted> {
        self.wanted.await.ok()
    }
}
