//! A command run for the user: its signals, its exit code, the hosts that it reaches directly.

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::process::ExitStatus;

use tokio::process::{Child, Command};

use super::exit::Exit;
use super::failure::Failure;
use crate::domain::Environment;

/// What listens on this machine alone, which no proxy of the company can reach.
const DIRECT: &str = "localhost,.localhost,127.0.0.1,::1";

/// The command that the user named: the program, then its arguments. It dies with this program.
pub(crate) fn command(words: &[OsString], environment: &Environment) -> Result<Command, Failure> {
    let (program, arguments) = words.split_first().ok_or_else(|| Failure::new(Exit::Usage, "no command"))?;
    let mut command = Command::new(program);
    command.args(arguments).kill_on_drop(true);
    for name in ["NO_PROXY", "no_proxy"] {
        let direct = environment.get(name).map_or_else(|| DIRECT.to_owned(), |listed| format!("{listed},{DIRECT}"));
        command.env(name, direct);
    }
    Ok(command)
}

/// Runs it to its end and passes signals on. Gives its exit code: 128 and the signal if one ended it.
pub(crate) async fn run(mut command: Command, signals: Signals) -> Result<u8, Failure> {
    let child = command.spawn().map_err(|error| {
        let program = command.as_std().get_program().to_string_lossy();
        Failure::new(Exit::Usage, format!("{program} cannot be started: {error}"))
    })?;
    let status = wait(child, signals).await.map_err(|error| Failure::from_error(Exit::Upstream, &error))?;
    Ok(code(status))
}

async fn wait(mut child: Child, signals: Signals) -> std::io::Result<ExitStatus> {
    loop {
        tokio::select! {
            status = child.wait() => return status,
            signal = signals.next() => signal.pass_to(&child),
        }
    }
}

#[cfg(unix)]
fn code(status: ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt as _;

    let code = status.code().or_else(|| Some(128 + status.signal()?));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}

#[cfg(not(unix))]
fn code(status: ExitStatus) -> u8 {
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(u8::MAX)
}

/// A wish that the program ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Signal {
    Interrupt,
    Terminate,
    Hangup,
}

impl Signal {
    /// Passes the wish on. A terminal has told the whole group of an interrupt already, and being
    /// told twice means "at once" to many programs.
    fn pass_to(self, child: &Child) {
        if self == Self::Interrupt && std::io::stdin().is_terminal() {
            return;
        }
        #[cfg(unix)]
        {
            let signal = match self {
                Self::Interrupt => rustix::process::Signal::INT,
                Self::Terminate => rustix::process::Signal::TERM,
                Self::Hangup => rustix::process::Signal::HUP,
            };
            let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
            if let Some(pid) = pid {
                // It may have ended by itself just now.
                let _ = rustix::process::kill_process(pid, signal);
            }
        }
        #[cfg(not(unix))]
        let _ = child;
    }
}

/// The signals that would end this program, caught.
#[derive(Debug)]
pub(crate) struct Signals(tokio::sync::Mutex<tokio::sync::mpsc::UnboundedReceiver<Signal>>);

impl Signals {
    /// Catches them from now on.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
        #[cfg(unix)]
        {
            use tokio::signal::unix::SignalKind;

            for (kind, signal) in [
                (SignalKind::interrupt(), Signal::Interrupt),
                (SignalKind::terminate(), Signal::Terminate),
                (SignalKind::hangup(), Signal::Hangup),
            ] {
                let mut caught =
                    tokio::signal::unix::signal(kind).map_err(|error| Failure::from_error(Exit::Upstream, &error))?;
                let sender = sender.clone();
                tokio::spawn(async move { while caught.recv().await.is_some() && sender.send(signal).is_ok() {} });
            }
        }
        #[cfg(not(unix))]
        tokio::spawn(async move {
            while tokio::signal::ctrl_c().await.is_ok() && sender.send(Signal::Interrupt).is_ok() {}
        });
        Ok(Self(tokio::sync::Mutex::new(receiver)))
    }

    /// The next one.
    pub(crate) async fn next(&self) -> Signal {
        match self.0.lock().await.recv().await {
            Some(signal) => signal,
            // Nobody catches any more: there will be none.
            None => std::future::pending().await,
        }
    }
}
