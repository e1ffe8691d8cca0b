//! Who kvops is for a vault, what it may do there, and whether a key signs as its certificate says.

use super::super::context::{Context, principal};
use super::super::failure::Failure;
use super::check::Check;
use super::impatient;
use crate::domain::{AppId, CertificateName, Vault};
use crate::entra::{self, MintOptions};
use crate::keyvault;
use crate::sign_in::VaultCertificate;

/// Identity, then one check for each right, by using it.
pub(super) async fn checks(
    context: &Context,
    vault: Option<&Vault>,
    name: Option<&CertificateName>,
    app: Option<&str>,
) -> Vec<Check> {
    let identity = Check::of("vault", "identity");
    let token = match context.vault_identity().await {
        Ok(token) => token,
        Err(failure) => return vec![identity.failed(&failure)],
    };
    let mut checks =
        vec![identity.good(format!("{} by {}", principal(&token), context.settings().vault_credential.value))];
    let Some(vault) = vault else {
        checks.push(
            Check::of("vault", "rights")
                .unknown("not asked")
                .next("give --vault VAULT, and --name NAME to have its key sign once"),
        );
        return checks;
    };
    let client = keyvault::Client::new(&context.http().patient(impatient()), context.vault_tokens(), vault.clone());
    let list = Check::of("vault", "list certificates");
    checks.push(match client.list(false).await {
        Ok(certificates) => list.good(format!("{} has {}", vault.name(), certificates.len())),
        Err(error) => list.lacking(&error.into()),
    });
    match name {
        Some(name) => checks.extend(certificate(context, &client, name, app).await),
        None => checks.push(
            Check::of("vault", "read and sign").unknown("not asked").next("give --name NAME to have its key sign once"),
        ),
    }
    let create = "only a creation would show it; the role Key Vault Certificates Officer grants it";
    checks.push(Check::of("vault", "create certificates").unknown(create));
    checks
}

async fn certificate(
    context: &Context,
    client: &keyvault::Client,
    name: &CertificateName,
    app: Option<&str>,
) -> Vec<Check> {
    let mut checks = Vec::new();
    let read = Check::of("vault", "read the certificate");
    let current = match client.certificate(name, None).await {
        Ok(current) => current,
        Err(error) => return vec![read.failed(&error.into())],
    };
    checks.push(read.good(format!("{name} is at version {}", current.key.version())));
    let key = Check::of("vault", "read the key");
    checks.push(match client.key(name, Some(current.key.version())).await {
        Ok(key_facts) => match key_facts.exportable {
            Some(true) => key.warning("it can be exported").next(format!(
                "find out who may with `kvops cert info --vault {} --name {name}`",
                client.vault().name()
            )),
            _ => key.good(format!("it may {}", key_facts.operations.join(", "))),
        },
        Err(error) => key.lacking(&error.into()),
    });
    let sign = Check::of("vault", "sign");
    checks.push(match signed(context, client, name, app).await {
        Ok(version) => {
            sign.good(format!("an assertion by version {version} verifies with its certificate; it was sent nowhere"))
        }
        Err(failure) => sign.failed(&failure),
    });
    checks
}

/// Has an assertion signed; whoever signs verifies the answer with the certificate's public key.
async fn signed(
    context: &Context,
    client: &keyvault::Client,
    name: &CertificateName,
    app: Option<&str>,
) -> Result<String, Failure> {
    let app = match app {
        Some(app) => context.app_id(app).await?,
        // An assertion in nobody's name shows the same, and can be used by nobody.
        None => AppId::new(uuid::Uuid::nil()),
    };
    let signer = VaultCertificate::new(client, name.clone(), None).signer().await?;
    entra::assertion(context.http(), &context.any_tenant(), app, &signer, &MintOptions::default()).await?;
    Ok(signer.key().version().to_string())
}
