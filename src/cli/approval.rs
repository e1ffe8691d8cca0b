//! Asking a person before something is changed that they have not named one by one.

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};

use super::exit::Exit;
use super::failure::Failure;

/// Goes on when `--yes` was given, or somebody at a terminal says so.
pub(crate) fn ask(is_given: bool, question: &str) -> Result<(), Failure> {
    if is_given {
        return Ok(());
    }
    let refused = |what: &str| Failure::new(Exit::Usage, what).hint("give --yes, or look at it with --plan first");
    if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
        return Err(refused("this needs approval, and there is no terminal to ask at"));
    }
    let mut stderr = io::stderr().lock();
    let mut answer = String::new();
    let asked = write!(stderr, "{question} [y/N] ")
        .and_then(|()| stderr.flush())
        .and_then(|()| io::stdin().lock().read_line(&mut answer));
    match asked {
        Ok(_) if ["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()) => Ok(()),
        _ => Err(refused("not approved, so nothing was changed")),
    }
}
