//! The flags that make a lab, and the variables and the file that make kvops use it.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;

use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::lab::Behaviour;
use crate::lab::Lab;
use crate::lab::LabOptions;
use crate::lab::Seed;
use crate::lab::exports;

/// The application that is in order, with a certificate of its name in the vault: whose tokens `kvops proxy`
/// hands out when nobody says whose.
const SIGNER: &str = "payments-signer";

/// What a lab holds and how it behaves.
#[derive(Debug, clap::Args)]
pub(super) struct Making {
    /// What it holds: empty, small, or scale:APPS,PRINCIPALS,VAULTS,CERTIFICATES
    #[arg(long, default_value = "small", value_parser = seed)]
    pub(super) seed: Seed,
    /// Delays and moods: tame has none, realistic has the services' own, hostile adds refusals
    #[arg(long, default_value = "tame", value_parser = behaviour)]
    pub(super) behaviour: Behaviour,
    /// Milliseconds that each request waits
    #[arg(long, value_name = "MS", default_value_t = 0)]
    latency: u64,
    /// The number that all randomness comes from [default: another one each time]
    #[arg(long, value_name = "N")]
    random: Option<u64>,
    /// A state saved with --save, in place of a seed
    #[arg(long, value_name = "FILE", conflicts_with = "seed")]
    load: Option<PathBuf>,
    /// Take RSA keys from this folder and fill it: for tests, whose labs need not be new
    #[arg(long, value_name = "DIR", hide = true)]
    keys: Option<PathBuf>,
}

impl Making {
    /// Starts the lab. `dir` is where its files go; without it, to a folder that ends with the lab.
    pub(super) fn start(&self, port: u16, control_port: u16, dir: Option<PathBuf>) -> Result<Lab, Failure> {
        let lab = Lab::start_blocking(LabOptions {
            port,
            control_port,
            seed: self.seed.clone(),
            behaviour: self.behaviour,
            random: self.random,
            load: self.load.clone(),
            keys: self.keys.clone(),
            dir,
            ..LabOptions::default()
        })?;
        if self.latency > 0 {
            lab.control("PUT", "/latency", &json!({ "ms": Duration::from_millis(self.latency).as_millis() as u64 }))?;
        }
        write_files(&lab)?;
        Ok(lab)
    }
}

/// The lab's own variables and those that make kvops work against it.
pub(super) fn variables(lab: &Lab) -> Vec<(String, String)> {
    let mut variables = lab.env();
    let of = |name: &str| variables.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    let own = [
        ("KVOPS_CONFIG", Some(lab.dir().join("kvops.toml").display().to_string())),
        ("KVOPS_CLOUD", Some("lab".to_owned())),
        ("KVOPS_TENANT", of("LAB_TENANT")),
        ("KVOPS_CREDENTIAL", Some("env".to_owned())),
        ("KVOPS_CLOCK", of("LAB_CONTROL_URL")),
        ("AZURE_TENANT_ID", of("LAB_TENANT")),
        ("AZURE_CLIENT_ID", of("LAB_CLIENT_ID")),
        ("AZURE_CLIENT_SECRET", of("LAB_CLIENT_SECRET")),
    ];
    variables.extend(own.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
    variables
}

/// `kvops.toml` with the lab's cloud, and the variables once more with those that name it.
fn write_files(lab: &Lab) -> Result<(), Failure> {
    let origin = format!("https://localhost:{}", lab.port());
    let config = format!(
        "# A running lab; see `kvops lab --help`. Gone when it stops.\n\n[cloud.lab]\nauthority = \"{origin}\"\n\
         graph = \"{origin}\"\nvault_suffix = \"vault.localhost:{}\"\narm = \"{origin}\"\nca = \"ca.pem\"\n\
         resolve = {{ \"*.vault.localhost\" = \"127.0.0.1\", \"localhost\" = \"127.0.0.1\" }}\n",
        lab.port()
    ) + &profile(lab);
    let write = |name: &str, text: &str| {
        let path = lab.dir().join(name);
        std::fs::write(&path, text)
            .map_err(|error| Failure::new(Exit::Usage, format!("{} cannot be written: {error}", path.display())))
    };
    write("kvops.toml", &config)?;
    write("env", &exports(&variables(lab)))
}

/// The profile for `kvops proxy`; none in labs without that application.
fn profile(lab: &Lab) -> String {
    let of = |name: &str| lab.env().into_iter().find(|(known, _)| known == name).map(|(_, value)| value);
    let Some((app, tenant, vault)) =
        lab.app_id(SIGNER).and_then(|app| Some((app, of("LAB_TENANT")?, of("LAB_VAULT_URL")?)))
    else {
        return String::new();
    };
    format!(
        "\n[proxy.profiles.{SIGNER}]\napp = \"{app}\"\ntenant = \"{tenant}\"\nvault = \"{vault}\"\n\
         certificate = \"{SIGNER}\"\nscopes = [\"*\"]\n"
    )
}

fn seed(text: &str) -> Result<Seed, String> {
    text.parse().map_err(|error: crate::lab::Error| error.to_string())
}

fn behaviour(text: &str) -> Result<Behaviour, String> {
    text.parse().map_err(|error: crate::lab::Error| error.to_string())
}
