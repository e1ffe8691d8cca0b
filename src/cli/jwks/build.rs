//! `kvops jwks build`: the documents as files, for a static host.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::issuer::IssuerArgs;
use crate::cli::console::Tone;
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::global::Output;
use crate::inventory::atomically;
use crate::jwks::{DISCOVERY_PATH, Document, Documents, JWKS_PATH, status};

const EXAMPLES: &str = "\
Examples:
  kvops jwks build --vault contoso-kv --name signer --issuer https://tokens.contoso.example --out site
  kvops jwks build --profile tokens --out site && az storage blob upload-batch -s site -d '$web' --account-name A";

/// What to write, and where.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    #[command(flatten)]
    issuer: IssuerArgs,
    /// The folder that is served at the issuer's URL
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    #[command(flatten)]
    pub(super) output: Output,
}

/// A file as it stands now.
#[derive(Debug, Serialize)]
pub(super) struct Written {
    path: PathBuf,
    etag: String,
    changed: bool,
}

#[derive(Debug, Serialize)]
struct Built {
    issuer: String,
    files: Vec<Written>,
    active: String,
    published: Vec<String>,
    warnings: Vec<String>,
}

/// Runs `kvops jwks build`.
pub(super) async fn run(args: &Args, context: &Context) -> Result<Exit, Failure> {
    let issuer = args.issuer.open(context, None)?;
    let set = issuer.current().await?;
    let files = write(set.documents(), &args.out)?;
    let view = status(&issuer, &set);
    let published = set.timeline().published().map(|key| key.facts.version.to_string()).collect();
    let built = Built { issuer: view.issuer, files, active: view.active, published, warnings: view.warnings };
    for warning in &built.warnings {
        context.console().warn(warning);
    }
    context.print(&built, || text(context, &built))?;
    Ok(Exit::Ok)
}

/// Writes both files, the keys before the document that points to them. What is there already, byte for
/// byte, is left alone.
pub(super) fn write(documents: &Documents, folder: &Path) -> Result<Vec<Written>, Failure> {
    let files = [(JWKS_PATH, &documents.jwks), (DISCOVERY_PATH, &documents.discovery)];
    files.into_iter().map(|(path, document)| write_one(&folder.join(path), document)).collect()
}

fn write_one(path: &Path, document: &Document) -> Result<Written, Failure> {
    let changed = fs::read(path).ok().is_none_or(|known| known != document.bytes());
    if changed {
        // A link stays a link.
        let place = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let folder = place.parent().unwrap_or(Path::new("."));
        let written = fs::create_dir_all(folder).and_then(|()| {
            atomically(&place, |file| {
                // The whole world may read them, and a web server has to from the first moment on.
                #[cfg(unix)]
                file.get_ref().set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
                file.write_all(document.bytes())
            })
        });
        written.map_err(|error| Failure::new(Exit::Usage, format!("{}: {error}", path.display())))?;
    }
    Ok(Written { path: path.to_owned(), etag: document.etag().to_owned(), changed })
}

fn text(context: &Context, built: &Built) -> String {
    let console = context.console();
    let mut text =
        format!("{} {} keys of {}\n", console.paint(Tone::Good, "built:"), built.published.len(), built.issuer);
    for file in &built.files {
        let state = if file.changed { "written" } else { "unchanged" };
        text.push_str(&format!("  {:<9}  {}\n", state, file.path.display()));
    }
    text
}
