//! `kvops lab serve`.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::start::Making;
use super::start::variables;
use crate::cli::console::{Console, Format};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::lab::Lab;

/// The folder of a lab that was given none; `kvops --lab` looks for it.
pub(super) const FOLDER: &str = "kvops-lab";

/// Flags of `kvops lab serve`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Port of Entra, Graph, the vaults and Resource Manager; 0 takes a free one
    #[arg(long, default_value_t = 8443)]
    port: u16,
    /// Port of the control endpoint; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    control_port: u16,
    /// Where ca.pem, kvops.toml and env are written
    #[arg(long, default_value = FOLDER)]
    dir: PathBuf,
    #[command(flatten)]
    lab: Making,
    /// Write the lab's state to this file when it stops; holds its keys and secrets
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
}

/// Serves until a signal or the control endpoint ends it.
pub(super) async fn run(args: &Args, console: Console) -> Result<Exit, Failure> {
    let dir = std::path::absolute(&args.dir).map_err(|error| Failure::from_error(Exit::Usage, &error))?;
    // Before the lab is ready, so that nobody who has read the record can stop it unheard.
    let end = crate::cli::child::Signals::listen()?;
    let lab = args.lab.start(args.port, args.control_port, Some(dir.clone()))?;
    announce(&lab, args, &dir, console)?;
    tokio::select! {
        _ = end.next() => {}
        () = lab.stopped() => {}
    }
    if let Some(path) = &args.save {
        save(&lab, path)?;
        console.note(&format!("The lab's state is in {}.", path.display()));
    }
    // Its address leads nowhere from now on.
    let _ = std::fs::remove_file(dir.join("env"));
    Ok(Exit::Ok)
}

fn announce(lab: &Lab, args: &Args, dir: &Path, console: Console) -> Result<(), Failure> {
    let variables: std::collections::BTreeMap<_, _> = variables(lab).into_iter().collect();
    let of = |name: &str| variables.get(name).cloned();
    console.note(&format!(
        "This is a LAB on {}: nothing here is Azure, and nothing reaches it from another machine.\n\
         To use it from a shell: eval \"$(kvops lab env --dir {})\"",
        of("LAB_AUTHORITY").unwrap_or_default(),
        dir.display()
    ));
    let ready = json!({
        "event": "ready",
        "authority": of("LAB_AUTHORITY"),
        "tenant": of("LAB_TENANT"),
        "graph": of("LAB_GRAPH_URL"),
        "arm": of("LAB_ARM_URL"),
        "vault_suffix": of("LAB_VAULT_SUFFIX"),
        // A thousand URLs would hide the rest; ask Resource Graph for them.
        "vaults": lab.vault_urls().into_iter().take(20).collect::<Vec<_>>(),
        "control": of("LAB_CONTROL_URL"),
        "identity": of("LAB_IDENTITY_URL"),
        "ca": of("LAB_CA"),
        "env": dir.join("env"),
        "client_id": of("LAB_CLIENT_ID"),
        "seed": format!("{:?}", args.lab.seed).to_lowercase(),
        "behaviour": format!("{:?}", args.lab.behaviour).to_lowercase(),
        "random": lab.random(),
    });
    console.with_format(Format::Json).line(&ready.to_string()).map_err(|error| Failure::from_error(Exit::Usage, &error))
}

fn save(lab: &Lab, path: &Path) -> Result<(), Failure> {
    let state = lab.control("GET", "/state", &Value::Null)?;
    std::fs::write(path, state.to_string())
        .map_err(|error| Failure::new(Exit::Usage, format!("{} cannot be written: {error}", path.display())))
}
