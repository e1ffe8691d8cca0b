//! `kvops completions` and `kvops man`: made from the flags themselves.

use std::io::Write as _;

use super::exit::Exit;
use super::failure::Failure;

/// Which shell.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The shell to complete in
    shell: clap_complete::Shell,
}

/// Writes the completions of `command` to standard output.
pub(crate) fn run(args: &Args, command: &mut clap::Command) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, command, "kvops", &mut script);
    write(&script)
}

/// Writes the manual page of `command` to standard output.
pub(crate) fn man(command: clap::Command) -> Result<Exit, Failure> {
    let mut page = Vec::new();
    let rendered = clap_mangen::Man::new(command).render(&mut page);
    rendered.map_err(|error| Failure::from_error(Exit::Upstream, &error))?;
    write(&page)
}

fn write(bytes: &[u8]) -> Result<Exit, Failure> {
    match std::io::stdout().lock().write_all(bytes) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::from_error(Exit::Upstream, &error))
        }
        _ => Ok(Exit::Ok),
    }
}
