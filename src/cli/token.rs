//! `kvops token`: signs in as an application with its key in the vault, and says what came of it.

use std::path::PathBuf;
use std::sync::Arc;

use futures::{StreamExt as _, stream};
use time::Duration;

use super::config;
use super::console::Format;
use super::context::Context;
use super::exit::Exit;
use super::expect::{Expectation, ExpectedError};
use super::failure::Failure;
use super::global::Global;
use super::manifest::Manifest;
use super::provision::Alg;
use super::token_view::{self, Attempt, TokenFormat};
use crate::domain::{AppId, CertificateName, Environment, KeyUrl, TenantId, Thumbprint, Version};
use crate::entra::{self, MintOptions};
use crate::pki::Algorithm;
use crate::sign_in::{Application, Key, ManagedIdentityFederated, VaultCertificate, VaultKey};

/// So many tenants are asked at once.
const PARALLEL_TENANTS: usize = 8;

const EXAMPLES: &str = "\
Examples:
  kvops token --app billing-api --vault contoso-kv --name billing --expect azpacr=2
  kvops token --app CLIENT_ID --key-id https://V.vault.azure.net/keys/N/VERSION --thumbprint SHA256
  kvops token --app CLIENT_ID --vault contoso-kv --name billing --tenants-file tenants.txt
  kvops token --app CLIENT_ID --vault contoso-kv --name old --expect-error AADSTS700027
  kvops token --app CLIENT_ID --vault contoso-kv --name billing -o curl-config | curl --config - URL";

/// Which token, and what is expected of it.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
#[command(group = clap::ArgGroup::new("key").args(["vault", "key_id", "federated"]))]
pub(crate) struct Args {
    /// Application: client id, object id or exact display name; only a client id needs no Graph
    #[arg(long, value_name = "APP")]
    app: String,
    /// Vault: name or URL
    #[arg(long, value_name = "VAULT", requires = "name")]
    vault: Option<String>,
    /// Name of the certificate in the vault
    #[arg(long, value_name = "NAME", requires = "vault")]
    name: Option<CertificateName>,
    /// One version of the certificate, in place of the newest that is proven
    #[arg(long, value_name = "VERSION", requires = "vault")]
    version: Option<Version>,
    /// The key itself, `https://VAULT/keys/NAME/VERSION`: nothing is read, only keys/sign is used
    #[arg(long, value_name = "URL", requires = "thumbprint")]
    key_id: Option<String>,
    /// Thumbprint of the key's certificate: SHA-256 for PS256, SHA-1 for RS256, in any encoding
    // One in base64url may begin with a hyphen.
    #[arg(long, value_name = "THUMBPRINT", requires = "key_id", allow_hyphen_values = true)]
    thumbprint: Option<Thumbprint>,
    /// No key at all: the identity of --credential, which the application trusts as a federated credential
    #[arg(long)]
    federated: bool,
    /// Scope of the token [default: that of Microsoft Graph]
    #[arg(long, value_name = "SCOPE")]
    scope: Option<String>,
    /// A file with a tenant in each line, beside --tenant
    #[arg(long, value_name = "FILE")]
    tenants_file: Option<PathBuf>,
    /// Algorithm of the assertion [default: PS256, or what fits --thumbprint]
    #[arg(long, value_name = "ALG", value_enum)]
    alg: Option<Alg>,
    /// Lifetime of the assertion in seconds, at most 600
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u16).range(1..=600))]
    lifetime: u16,
    /// Expect a claim: aud=…, role=…, tid=…, azpacr=2; several with commas or repeated
    #[arg(long, value_name = "CLAIM=VALUE", value_delimiter = ',')]
    expect: Vec<Expectation>,
    /// Expect a refusal with this code, such as AADSTS700027
    #[arg(long, value_name = "CODE", conflicts_with = "expect")]
    expect_error: Option<ExpectedError>,
    /// Make the assertion and exchange it for nothing
    #[arg(long, conflicts_with_all = ["expect", "expect_error", "federated"])]
    assertion_only: bool,
    /// How the result is written: table and json show claims, the others hand out the token
    #[arg(long, short, value_enum, value_name = "FORMAT")]
    output: Option<TokenFormat>,
}

impl Args {
    /// The form of an error: outputs for programs are read by programs.
    pub(crate) fn format(&self) -> Option<Format> {
        self.output.map(|format| if format == TokenFormat::Table { Format::Table } else { Format::Json })
    }
}

/// Runs `kvops token`.
pub(crate) async fn run(args: &Args, global: &Global, environment: &Environment) -> Result<Exit, Failure> {
    let manifest = Manifest::of(Some(&args.app), global, environment)?;
    let settings = config::load(manifest.global(), environment)?;
    // A flag names the tenants that the application signs in to; our own identity stays at home.
    let at_home = config::load(&global.with_tenants(Vec::new()), environment)?;
    let home = at_home.tenant.map(|tenant| tenant.value);
    let format = args.format();
    let context = Context::with_home(global, environment, format, settings, home).await?;
    context.reading(sign_in(args, &manifest, &context)).await
}

async fn sign_in(args: &Args, manifest: &Manifest, context: &Context) -> Result<Exit, Failure> {
    let tenants = tenants(args, manifest.global(), context)?;
    args.output.map_or(Ok(()), |format| format.check(tenants.len(), args.assertion_only))?;
    let app = context.app_id(&args.app).await?;
    let scope = match &args.scope {
        Some(scope) => scope.clone(),
        None => format!("{}.default", context.http().cloud().graph()),
    };
    let key = key(args, manifest, context)?;
    let options = MintOptions {
        algorithm: args.alg.map(Algorithm::from),
        lifetime: Duration::seconds(args.lifetime.into()),
        ..MintOptions::default()
    };
    if args.assertion_only {
        return assertion_only(args, manifest, context, &tenants, app, &options).await;
    }
    let progress = context.console().progress();
    progress.set(&format!(
        "signing in to {}",
        if tenants.len() == 1 { "1 tenant".to_owned() } else { format!("{} tenants", tenants.len()) }
    ));
    let attempts = tenants.iter().map(|tenant| {
        let application = Application::new(context.http(), Arc::clone(&key), tenant.clone(), app, options.clone());
        let scope = &scope;
        async move {
            let started = context.http().clock().now();
            let ended = application.sign_in(scope).await;
            let took = context.http().clock().now() - started;
            Attempt::new(context.http(), application.tenant().clone(), ended, took, &args.expect).await
        }
    });
    let attempts: Vec<_> = stream::iter(attempts).buffered(PARALLEL_TENANTS).collect().await;
    progress.clear();
    token_view::write(context, args.output, attempts, args.expect_error.as_ref())
}

fn tenants(args: &Args, global: &Global, context: &Context) -> Result<Vec<TenantId>, Failure> {
    let mut texts: Vec<(String, String)> =
        global.tenant.iter().map(|tenant| ("--tenant".to_owned(), tenant.clone())).collect();
    if let Some(path) = &args.tenants_file {
        let content = std::fs::read_to_string(path)
            .map_err(|error| Failure::new(Exit::Usage, format!("cannot read {}: {error}", path.display())))?;
        for (number, line) in content.lines().enumerate() {
            let line = line.split('#').next().unwrap_or_default().trim();
            if !line.is_empty() {
                texts.push((format!("{} line {}", path.display(), number + 1), line.to_owned()));
            }
        }
    }
    if texts.is_empty() {
        return Ok(vec![context.tenant()?]);
    }
    let mut tenants: Vec<TenantId> = Vec::new();
    for (origin, text) in texts {
        let tenant = text.parse().map_err(|error| Failure::new(Exit::Usage, format!("{origin}: {error}")))?;
        if !tenants.contains(&tenant) {
            tenants.push(tenant);
        }
    }
    Ok(tenants)
}

fn key(args: &Args, manifest: &Manifest, context: &Context) -> Result<Arc<dyn Key>, Failure> {
    if args.federated {
        return Ok(Arc::new(ManagedIdentityFederated::new(context.credential(manifest.global())?)));
    }
    if let (Some(key_id), Some(thumbprint)) = (&args.key_id, args.thumbprint) {
        let key = parse_key(key_id, context)?;
        let vault = context.vault_client(key.vault());
        return Ok(Arc::new(VaultKey::new(&vault, key, thumbprint)));
    }
    Ok(Arc::new(certificate(args, manifest, context)?))
}

fn certificate(args: &Args, manifest: &Manifest, context: &Context) -> Result<VaultCertificate, Failure> {
    let (vault, name) = manifest
        .certificate(args.vault.as_ref(), args.name.as_ref())
        .map_err(|failure| failure.hint("or name a key with --key-id and --thumbprint, or none with --federated"))?;
    let vault = context.vault_client(&context.vault(&vault)?);
    Ok(VaultCertificate::new(&vault, name, args.version.clone()))
}

fn parse_key(text: &str, context: &Context) -> Result<KeyUrl, Failure> {
    KeyUrl::parse(text, context.http().cloud()).map_err(|error| Failure::from_error(Exit::Usage, &error))
}

async fn assertion_only(
    args: &Args,
    manifest: &Manifest,
    context: &Context,
    tenants: &[TenantId],
    app: AppId,
    options: &MintOptions,
) -> Result<Exit, Failure> {
    let [tenant] = tenants else {
        return Err(Failure::new(Exit::Usage, "--assertion-only makes one assertion, so it takes one --tenant"));
    };
    let signer = match (&args.key_id, args.thumbprint) {
        (Some(key_id), Some(thumbprint)) => {
            let key = parse_key(key_id, context)?;
            let vault = context.vault_client(key.vault());
            crate::keyvault::VaultSigner::new(&vault, key, crate::pki::SignerIdentity::Thumbprint(thumbprint))
        }
        _ => certificate(args, manifest, context)?.signer().await?,
    };
    let assertion = entra::assertion(context.http(), tenant, app, &signer, options).await?;
    token_view::write_assertion(context, args.output, &assertion, signer.key())
}
