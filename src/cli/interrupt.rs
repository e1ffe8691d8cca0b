//! Ctrl-C: the step in hand ends, then the command does. A second one ends it at once.

use tokio::sync::watch;

use super::exit::Exit;

/// Whether the user has asked to stop.
#[derive(Clone, Debug)]
pub(crate) struct Interrupt(watch::Receiver<bool>);

impl Interrupt {
    /// Listens from now on.
    pub(crate) fn listen() -> Self {
        let (flag, interrupt) = watch::channel(false);
        tokio::spawn(async move {
            while tokio::signal::ctrl_c().await.is_ok() {
                if flag.send_replace(true) {
                    // What was begun is found by the next run.
                    std::process::exit(u8::from(Exit::Interrupted).into());
                }
            }
        });
        Self(interrupt)
    }

    /// Whether Ctrl-C was pressed.
    pub(crate) fn is_set(&self) -> bool {
        *self.0.borrow()
    }

    /// Ends when Ctrl-C is pressed, or has been.
    pub(crate) async fn pressed(&self) {
        // Where signals cannot be listened to, nothing is ever pressed.
        if self.0.clone().wait_for(|is_set| *is_set).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
