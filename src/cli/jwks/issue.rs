//! `kvops jwks issue`: one token of the issuer.

use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::Serialize;
use time::OffsetDateTime;

use super::failure::exit_of;
use super::issuer::IssuerArgs;
use super::tags::unwritten;
use crate::cli::console::Format;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::global::Output;
use crate::jwks::{DEFAULT_LIFETIME, Order, Span, Unissued, issue};
use crate::pki::{self, Audience, Claims, MAX_CLAIMS, TokenType};

const EXAMPLES: &str = "\
Examples:
  kvops jwks issue --profile tokens --audience orders --claims claims.json
  echo '{\"sub\":\"worker\"}' | kvops jwks issue --profile tokens --audience api://AzureADTokenExchange --claims -";

/// What the token says.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    issuer: IssuerArgs,
    /// `aud`: whom it is for; nothing that would take it for the proof of an application
    #[arg(long, value_name = "AUDIENCE")]
    audience: String,
    /// A JSON object with the other claims, such as sub; `-` for standard input
    #[arg(long, value_name = "FILE")]
    claims: Option<PathBuf>,
    /// How long it lives, at most --token-life [default: 5m]
    #[arg(long, value_name = "TIME")]
    lifetime: Option<Span>,
    /// `typ`
    #[arg(long = "type", value_name = "TYPE", value_enum, default_value_t = Kind::Jwt)]
    kind: Kind,
    /// json adds kid, jti and the end; otherwise the token alone is written
    #[command(flatten)]
    pub(super) output: Output,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
enum Kind {
    #[value(name = "JWT", alias = "jwt")]
    Jwt,
    #[value(name = "at+jwt")]
    AccessToken,
}

#[derive(Serialize)]
struct Shown<'a> {
    token: &'a str,
    kid: &'a str,
    jti: uuid::Uuid,
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
}

/// Runs `kvops jwks issue`.
pub(super) async fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let refused = |error: pki::Error| Failure::from_error(exit_of(&error), &error);
    let audience = Audience::parse(&args.audience, context.http().cloud()).map_err(refused)?;
    let claims = args.claims.as_deref().map(read).transpose()?;
    let claims = Claims::from_json(claims.as_deref().unwrap_or(b"{}")).map_err(refused)?;
    let issuer = args.issuer.open(context, None)?;
    let ledger = context.ledger().await?;
    let longest = issuer.windows().settings().token_life.duration();
    let lifetime = args.lifetime.map_or(DEFAULT_LIFETIME.min(longest), Span::duration);
    let kind = match args.kind {
        Kind::Jwt => TokenType::Jwt,
        Kind::AccessToken => TokenType::AccessToken,
    };
    let order = Order { audience: &audience, claims: &claims, lifetime, kind };
    let issued = issue(&issuer, order, &ledger).await.map_err(unissued)?;
    if let Some(left) = issuer.current().await?.expires_in(issuer.now()) {
        context.console().warn(&format!("the key that signed expires in {}", Span::from(left)));
    }
    let token = issued.token.compact().text().expose();
    let shown = Shown { token, kid: issued.key.kid(), jti: issued.id, expires_at: issued.expires_at };
    // A token is handed to programs as it is, unless somebody asks for more.
    let written = if args.output.output == Some(Format::Json) {
        serde_json::to_string_pretty(&shown)
            .map_err(std::io::Error::from)
            .and_then(|text| context.console().line(&text))
    } else {
        context.console().line(token)
    };
    written.map_err(|error| Failure::from_error(Exit::Upstream, &error))?;
    Ok(Exit::Ok)
}

fn unissued(error: Unissued) -> Failure {
    match error {
        Unissued::Set(error) => error.into(),
        Unissued::Ledger(error) => unwritten(error),
    }
}

/// No more than could be signed.
fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    let most = MAX_CLAIMS as u64 * 2;
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        std::io::stdin().lock().take(most).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes))
    };
    read.map_err(|error| Failure::new(Exit::Usage, format!("cannot read {}: {error}", path.display())))?;
    Ok(bytes)
}
