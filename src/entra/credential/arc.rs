//! The agent of Azure Arc proves that it is asked by an administrator: it names a file, and wants
//! to be told what is in it.

use std::path::Path;

use super::read_file;
use crate::domain::Secret;
use crate::entra::error::Error;
use crate::http;
use crate::http::{Auth, Operation, Request, Response};

const SOURCE: &str = "mi";

/// Where the agent puts its files. Any other path would make this a way to read files.
#[cfg(not(windows))]
const TOKEN_FOLDER: &str = "/var/opt/azcmagent/tokens";
#[cfg(windows)]
const TOKEN_FOLDER: &str = r"C:\ProgramData\AzureConnectedMachineAgent\Tokens";

/// The agent writes a few hundred bytes.
const LARGEST: usize = 4_096;

/// Asks, is challenged, and asks again with the content of the agent's file.
pub(super) async fn ask(http: &http::Client, operation: &Operation, request: &Request) -> Result<Response, Error> {
    let failed = |source| Error::Call { operation: operation.name, source };
    let challenge = match http.send(operation, request, &Auth::None).await {
        Ok(response) => return Ok(response),
        Err(error) => error,
    };
    let Some(file) = challenge.basic_realm().map(str::to_owned) else { return Err(failed(challenge)) };
    if !is_agent_file(Path::new(&file)) {
        let problem =
            format!("the Azure Arc agent names {}, which is not one of its files", crate::domain::printable(&file));
        return Err(Error::Setting { credential: SOURCE, problem });
    }
    let content = read_file(SOURCE, Path::new(&file)).await?;
    if content.len() > LARGEST {
        let problem = format!("{file} is larger than {LARGEST} bytes");
        return Err(Error::Setting { credential: SOURCE, problem });
    }
    let word = Secret::new(format!("Basic {}", String::from_utf8_lossy(&content).trim()));
    http.send(operation, request, &Auth::Header(word)).await.map_err(failed)
}

/// A file directly in the agent's folder, with the agent's ending.
fn is_agent_file(path: &Path) -> bool {
    path.parent() == Some(Path::new(TOKEN_FOLDER)) && path.extension().is_some_and(|ending| ending == "key")
}

#[cfg(all(test, not(windows)))]
mod tests {
    use super::*;

    #[test]
    fn only_the_agents_own_files_are_read() {
        assert!(is_agent_file(Path::new("/var/opt/azcmagent/tokens/0a1b.key")));
        for bad in [
            "/etc/shadow",
            "/var/opt/azcmagent/tokens/../../../../etc/a.key",
            "/var/opt/azcmagent/tokens/a.txt",
            "/var/opt/azcmagent/tokens/sub/a.key",
            "/var/opt/azcmagent/tokens",
            "tokens/a.key",
            "",
        ] {
            assert!(!is_agent_file(Path::new(bad)), "{bad}");
        }
    }
}
