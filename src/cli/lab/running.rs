//! A lab that another process serves: its variables, and seeds for it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use url::Url;

use super::serve::FOLDER;
use crate::cli::console::Console;
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::global::Global;
use crate::domain::Chain;
use crate::domain::Environment;
use crate::lab::Seed;
use crate::lab::exports;
use crate::lab::parse_exports;

/// Flags of `kvops lab env`.
#[derive(Debug, clap::Args)]
pub(crate) struct EnvArgs {
    /// The folder of the running lab
    #[arg(long, default_value = FOLDER)]
    dir: PathBuf,
}

/// Flags of `kvops lab seed`.
#[derive(Debug, clap::Args)]
pub(crate) struct SeedArgs {
    /// What to add: small, or scale:APPS,PRINCIPALS,VAULTS,CERTIFICATES
    seed: String,
    /// The folder of the running lab
    #[arg(long, default_value = FOLDER)]
    dir: PathBuf,
}

/// Prints the variables of a running lab for `eval`.
pub(super) fn env(args: &EnvArgs, console: Console) -> Result<Exit, Failure> {
    let variables = variables_of(&args.dir)?;
    console.line(&exports(&variables)).map_err(|error| Failure::from_error(Exit::Usage, &error))?;
    Ok(Exit::Ok)
}

/// Adds a seed to a running lab.
pub(super) async fn seed(args: &SeedArgs, console: Console) -> Result<Exit, Failure> {
    let seed: Seed = args.seed.parse()?;
    if seed == Seed::Empty {
        return Err(Failure::new(Exit::Usage, "there is nothing in the seed `empty` to add"));
    }
    let control = control_of(&variables_of(&args.dir)?, &args.dir)?;
    let url = control.join("seed").map_err(|error| Failure::from_error(Exit::Usage, &error))?;
    let unreachable =
        |error: reqwest::Error| Failure::new(Exit::Upstream, format!("the lab does not answer: {}", Chain(&error)));
    let client = reqwest::Client::builder().no_proxy().tls_certs_only([]).timeout(Duration::from_secs(60)).build();
    let answer =
        client.map_err(unreachable)?.post(url).json(&json!({ "seed": args.seed })).send().await.map_err(unreachable)?;
    if answer.status().is_success() {
        console.note(&format!("The lab has the seed {}.", args.seed));
        return Ok(Exit::Ok);
    }
    let problem = answer.json::<Value>().await.unwrap_or_default();
    Err(Failure::new(Exit::Upstream, format!("the lab did not take the seed: {}", problem["error"])))
}

/// The environment of a command that was told `--lab`: the caller's with the lab's over it.
pub(in crate::cli) fn running(mut environment: Environment, global: &Global) -> Result<Environment, Failure> {
    let here = std::env::current_dir().map_err(|error| Failure::from_error(Exit::Usage, &error))?;
    let folder = here.ancestors().map(|folder| folder.join(FOLDER)).find(|folder| folder.join("env").is_file());
    let folder = folder.unwrap_or_else(|| PathBuf::from(FOLDER));
    environment.extend(variables_of(&folder)?);
    let console = Console::new(None, global.no_color, global.quiet, &environment);
    let authority = environment.get("LAB_AUTHORITY").unwrap_or_default();
    console.note(&format!("This is a LAB on {authority}; nothing here is Azure."));
    Ok(environment)
}

fn variables_of(dir: &Path) -> Result<Vec<(String, String)>, Failure> {
    let path = dir.join("env");
    let text = std::fs::read_to_string(&path).map_err(|error| nobody(&format!("{}: {error}", path.display())))?;
    let variables = parse_exports(&text);
    control_of(&variables, dir)?;
    Ok(variables)
}

/// The control endpoint, if somebody listens there.
fn control_of(variables: &[(String, String)], dir: &Path) -> Result<Url, Failure> {
    let named = variables.iter().find(|(name, _)| name == "LAB_CONTROL_URL");
    let url = named.and_then(|(_, value)| Url::parse(value).ok());
    let url = url.ok_or_else(|| nobody(&format!("{} names no control endpoint", dir.join("env").display())))?;
    let addresses = url.socket_addrs(|| None).unwrap_or_default();
    let is_there = addresses.iter().any(|address| {
        address.ip().is_loopback() && std::net::TcpStream::connect_timeout(address, Duration::from_secs(2)).is_ok()
    });
    if is_there { Ok(url) } else { Err(nobody(&format!("nobody listens on {url}"))) }
}

fn nobody(why: &str) -> Failure {
    Failure::new(Exit::Usage, format!("no lab is running: {why}")).hint("start one with `kvops lab serve`")
}
