//! Which issuer: flags over a `[jwks.NAME]` table over what is usual.

use std::str::FromStr;

use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::config::JwksEntry;
use crate::domain::CertificateName;
use crate::jwks::{SetOptions, SigningKeySet, Span, WindowSettings, Windows};
use crate::pki::{Issuer, SignatureAlgorithm};

/// The issuer, its certificate, and how long things last.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct IssuerArgs {
    /// A [jwks.NAME] table of kvops.toml, for whatever is not given here
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Vault: name or URL
    #[arg(long, value_name = "VAULT")]
    vault: Option<String>,
    /// Name of the certificate whose versions sign
    #[arg(long, value_name = "NAME")]
    name: Option<CertificateName>,
    /// `iss` of the tokens: an https URL, below which verifiers find the documents
    #[arg(long, value_name = "URL")]
    issuer: Option<String>,
    /// How RSA keys sign: RS256, RS384, RS512, PS256, PS384, PS512 [default: RS256]; curves have one each
    #[arg(long, value_name = "ALG")]
    alg: Option<SignatureAlgorithm>,
    /// From the creation of a version until it signs [default: 14d]
    #[arg(long, value_name = "TIME", help_heading = "Windows")]
    rollover: Option<Span>,
    /// How old the published set may be when it is handed out [default: 1d]
    #[arg(long, value_name = "TIME", help_heading = "Windows")]
    cache: Option<Span>,
    /// How long verifiers may keep it: max-age [default: 1d]
    #[arg(long, value_name = "TIME", help_heading = "Windows")]
    client_cache: Option<Span>,
    /// Room for slow deployments and late verifiers [default: 1h]
    #[arg(long, value_name = "TIME", help_heading = "Windows")]
    margin: Option<Span>,
    /// The longest life of a token [default: 1h]
    #[arg(long, value_name = "TIME", help_heading = "Windows")]
    token_life: Option<Span>,
    /// How far the clocks of verifiers may be behind [default: 5m]
    #[arg(long, value_name = "TIME", help_heading = "Windows")]
    skew: Option<Span>,
    /// How long an expired key stays published [default: token life + skew]
    #[arg(long, value_name = "TIME", help_heading = "Windows")]
    retain: Option<Span>,
    /// Take windows with which verifiers will meet unknown keys
    #[arg(long, help_heading = "Windows")]
    force_windows: bool,
}

impl IssuerArgs {
    /// The issuer's keys. Nothing is read yet.
    pub(super) fn open(&self, context: &Context, refresh: Option<Span>) -> Result<SigningKeySet, Failure> {
        let nothing = JwksEntry::default();
        let table = match &self.profile {
            None => &nothing,
            Some(name) => {
                let (table, path) = context.settings().jwks(name).ok_or_else(|| {
                    Failure::new(Exit::Usage, format!("no configuration file has a table [jwks.{name}]"))
                })?;
                context.console().note(&format!("issuer {name} is that of {}", path.display()));
                table
            }
        };
        let lacking = |flag: &str, key: &str| {
            Failure::new(Exit::Usage, format!("no {key} is named"))
                .hint(format!("give {flag}, or --profile NAME with `{key}` in the table [jwks.NAME] of kvops.toml"))
        };
        let vault = self.vault.as_ref().or(table.vault.as_ref()).ok_or_else(|| lacking("--vault", "vault"))?;
        let vault = context.vault_client(&context.vault(vault)?);
        let name = or_written(self.name.clone(), table.certificate.as_ref(), "certificate")?;
        let name = name.ok_or_else(|| lacking("--name", "certificate"))?;
        let issuer = self.issuer.as_ref().or(table.issuer.as_ref()).ok_or_else(|| lacking("--issuer", "issuer"))?;
        let issuer = Issuer::parse(issuer).map_err(|error| Failure::from_error(Exit::Usage, &error))?;
        let windows = self.windows(table, context)?;
        let algorithm = or_written(self.alg, table.algorithm.as_ref(), "algorithm")?;
        // A set that is read less often than the windows say would break their promise.
        let refresh = refresh.map(|refresh| refresh.min(windows.settings().cache));
        Ok(SigningKeySet::new(&vault, name, issuer, SetOptions { windows, algorithm, refresh }))
    }

    fn windows(&self, table: &JwksEntry, context: &Context) -> Result<Windows, Failure> {
        let usual = WindowSettings::default();
        let span = |flag: Option<Span>, written: &Option<String>, key: &str, usual: Span| {
            or_written(flag, written.as_ref(), key).map(|span| span.unwrap_or(usual))
        };
        let settings = WindowSettings {
            rollover: span(self.rollover, &table.rollover, "rollover", usual.rollover)?,
            cache: span(self.cache, &table.cache, "cache", usual.cache)?,
            client_cache: span(self.client_cache, &table.client_cache, "client_cache", usual.client_cache)?,
            margin: span(self.margin, &table.margin, "margin", usual.margin)?,
            token_life: span(self.token_life, &table.token_life, "token_life", usual.token_life)?,
            skew: span(self.skew, &table.skew, "skew", usual.skew)?,
            retain: or_written(self.retain, table.retain.as_ref(), "retain")?,
        };
        match Windows::new(settings) {
            Err(problem) if self.force_windows => {
                context.console().warn(&format!("forced: {problem}"));
                Windows::forced(settings).map_err(|error| Failure::from_error(Exit::Refused, &error))
            }
            windows => windows.map_err(|error| {
                Failure::from_error(Exit::Refused, &error)
                    .hint("choose a longer rollover, or shorter caches; `kvops jwks status` shows the windows in force")
            }),
        }
    }
}

/// What was given, or else what a table says.
fn or_written<T>(flag: Option<T>, written: Option<&String>, key: &str) -> Result<Option<T>, Failure>
where
    T: FromStr<Err: std::fmt::Display>,
{
    match (flag, written) {
        (Some(value), _) => Ok(Some(value)),
        (None, None) => Ok(None),
        (None, Some(text)) => {
            let unusable = |error| Failure::new(Exit::Usage, format!("`{key}` of the table of the profile: {error}"));
            text.parse().map(Some).map_err(unusable)
        }
    }
}
