//! Running `az` and `azd`, for `azure_identity`.

use std::ffi::OsStr;
use std::io;
use std::process::{Output, Stdio};
use std::time::Duration;

use async_trait::async_trait;
use azure_core::credentials::{TokenCredential, TokenRequestOptions};
use azure_identity::Executor;

use crate::domain::{Secret, printable};
use crate::entra::error::Error;
use crate::entra::token::Token;
use crate::http::TokenRequest;

/// Longer than any sign-in that needs no person; `az` alone starts in a second or two.
const LONGEST: Duration = Duration::from_secs(30);

/// Runs a tool, without a terminal to ask questions on, and ends it when it takes too long.
#[derive(Clone, Copy, Debug, Default)]
pub struct ToolExecutor;

#[async_trait]
impl Executor for ToolExecutor {
    async fn run(&self, program: &OsStr, args: &[&OsStr]) -> io::Result<Output> {
        let mut command = tokio::process::Command::new(program);
        command.args(args).stdin(Stdio::null()).kill_on_drop(true);
        tokio::time::timeout(LONGEST, command.output())
            .await
            .unwrap_or_else(|_| Err(io::Error::new(io::ErrorKind::TimedOut, "no answer within 30 s")))
    }
}

/// How the tools, and the crate that runs them, say that there is nobody to ask. There is no code for
/// it: `az` and `azd` end with 1 whatever happened.
const NOBODY: [&str; 5] = [
    "not found on PATH",
    "wasn't found on PATH",
    "'az login' to setup account",
    "az login\" to setup account",
    "not logged in, run",
];

/// A token of a tool. A tool that is missing, or where nobody is signed in, is not available. Any
/// other failure is one of the identity that somebody chose by signing in: a second factor that is
/// due, or no answer in time.
pub(super) async fn token(
    credential: &'static str,
    tool: &dyn TokenCredential,
    request: &TokenRequest,
) -> Result<Token, Error> {
    if request.claims.is_some() {
        return Err(Error::ClaimsUnsupported { credential });
    }
    let scope = request.scope();
    let options: Option<TokenRequestOptions<'_>> = None;
    let token = tool.get_token(&[&scope], options).await.map_err(|error| failed(credential, &error.to_string()))?;
    Ok(Token {
        access_token: Secret::new(token.token.secret().to_owned()),
        expires_at: token.expires_on,
        correlation_id: None,
        request_id: None,
    })
}

fn failed(credential: &'static str, said: &str) -> Error {
    let reason = first_lines(said);
    if NOBODY.iter().any(|words| said.contains(words)) {
        return Error::NotAvailable { credential, reason };
    }
    Error::Tool { credential, said: reason }
}

/// Tools print pages of advice; the beginning holds the reason.
fn first_lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(str::trim).filter(|line| !line.is_empty()).take(3).collect();
    let short: String = lines.join(" ").chars().take(400).collect();
    printable(&short)
}
