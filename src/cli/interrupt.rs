//! Ctrl-C: the step in hand ends, then the command does. A second one ends it at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::runtime::{Builder, Handle, RuntimeFlavor};
use tokio::sync::watch;

use super::exit::Exit;

/// Whether the user has asked to stop.
#[derive(Clone, Debug)]
pub(crate) struct Interrupt {
    pressed: watch::Receiver<bool>,
    is_left: Arc<AtomicBool>,
}

impl Interrupt {
    /// Listens from now on.
    pub(crate) fn listen() -> Self {
        let (flag, pressed) = watch::channel(false);
        let is_left = Arc::new(AtomicBool::new(false));
        let left = Arc::clone(&is_left);
        let listening = async move {
            while tokio::signal::ctrl_c().await.is_ok() {
                if left.load(Ordering::Relaxed) {
                    continue;
                }
                if flag.send_replace(true) {
                    // What was begun is found by the next run.
                    std::process::exit(u8::from(Exit::Interrupted).into());
                }
            }
        };
        match Handle::current().runtime_flavor() {
            // Whatever computes for a while there would keep the second Ctrl-C from being heard.
            RuntimeFlavor::CurrentThread => listen_apart(listening),
            _ => drop(tokio::spawn(listening)),
        }
        Self { pressed, is_left }
    }

    /// Leaves Ctrl-C to somebody else from now on: to a command that was started and reads it itself.
    pub(crate) fn leave(&self) {
        self.is_left.store(true, Ordering::Relaxed);
    }

    /// Whether Ctrl-C was pressed.
    pub(crate) fn is_set(&self) -> bool {
        *self.pressed.borrow()
    }

    /// Ends when Ctrl-C is pressed, or has been.
    pub(crate) async fn pressed(&self) {
        // Where signals cannot be listened to, nothing is ever pressed.
        if self.pressed.clone().wait_for(|is_set| *is_set).await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Listens on a thread of its own, which nobody waits for.
fn listen_apart(listening: impl Future<Output = ()> + Send + 'static) {
    std::thread::spawn(move || {
        // Where nothing can be listened to, Ctrl-C ends the process by itself.
        if let Ok(runtime) = Builder::new_current_thread().enable_io().build() {
            runtime.block_on(listening);
        }
    });
}
