//! `kvops lab exec -- CMD`: a command with a lab around it.

use std::ffi::OsString;
use std::io::IsTerminal as _;
use std::process::ExitStatus;

use tokio::process::{Child, Command};

use super::start::Making;
use super::start::variables;
use crate::cli::console::Console;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::domain::Environment;

/// Variables of the caller that would send a real credential to the lab, or the lab's to Azure.
const WITHHELD: [&str; 9] = [
    "AZURE_CLIENT_CERTIFICATE_PATH",
    "AZURE_CLIENT_CERTIFICATE_PASSWORD",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_AUTHORITY_HOST",
    "KVOPS_VAULT_CREDENTIAL",
    "KVOPS_GRAPH_CREDENTIAL",
    "KVOPS_CA",
    "IDENTITY_ENDPOINT",
    "IDENTITY_HEADER",
];

/// Hosts of the lab, which no proxy can reach.
const DIRECT: &str = "localhost,.localhost,127.0.0.1,::1";

/// Flags of `kvops lab exec`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[command(flatten)]
    lab: Making,
    /// The command to run, after `--`
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true, value_name = "CMD")]
    command: Vec<OsString>,
}

/// Starts a lab, runs the command, ends with its exit code: 128 and the signal if one ended it.
pub(super) async fn run(args: &Args, console: Console, environment: &Environment) -> Result<u8, Failure> {
    let signals = Signals::listen()?;
    let lab = args.lab.start(0, 0, None)?;
    console.note(&format!("This is a LAB on https://localhost:{}; nothing here is Azure.", lab.port()));
    let (program, arguments) = args.command.split_first().ok_or_else(|| Failure::new(Exit::Usage, "no command"))?;
    let mut command = Command::new(program);
    command.args(arguments).envs(variables(&lab)).kill_on_drop(true);
    for name in WITHHELD {
        command.env_remove(name);
    }
    if let Some(path) = path_with_own_folder(environment) {
        command.env("PATH", path);
    }
    for name in ["NO_PROXY", "no_proxy"] {
        let direct = environment.get(name).map_or_else(|| DIRECT.to_owned(), |listed| format!("{listed},{DIRECT}"));
        command.env(name, direct);
    }
    let child = command.spawn().map_err(|error| {
        Failure::new(Exit::Usage, format!("{} cannot be started: {error}", program.to_string_lossy()))
    })?;
    let status = wait(child, signals).await.map_err(|error| Failure::from_error(Exit::Upstream, &error))?;
    Ok(code(status))
}

/// The folder of this very program first, so that `kvops` inside is the same one.
fn path_with_own_folder(environment: &Environment) -> Option<OsString> {
    let own = std::env::current_exe().ok()?;
    let rest = environment.get("PATH").unwrap_or_default();
    std::env::join_paths(std::iter::once(own.parent()?.to_owned()).chain(std::env::split_paths(rest))).ok()
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
pub(super) enum Signal {
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
pub(super) struct Signals(tokio::sync::Mutex<tokio::sync::mpsc::UnboundedReceiver<Signal>>);

impl Signals {
    /// Catches them from now on.
    pub(super) fn listen() -> Result<Self, Failure> {
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
    pub(super) async fn next(&self) -> Signal {
        match self.0.lock().await.recv().await {
            Some(signal) => signal,
            // Nobody catches any more: there will be none.
            None => std::future::pending().await,
        }
    }
}
