//! Every environment variable that kvops itself reads, declared once.

use crate::domain::Environment;

/// A variable and what it does; the reference page is made from these.
#[derive(Clone, Copy, Debug)]
pub struct Variable {
    /// Its name.
    pub name: &'static str,
    /// One line for the reference page.
    pub meaning: &'static str,
}

macro_rules! variables {
    ($($constant:ident = $name:literal: $meaning:literal;)*) => {
        $(#[doc = $meaning] pub const $constant: &str = $name;)*

        /// All variables, in the order of the reference page.
        pub const VARIABLES: &[Variable] = &[$(Variable { name: $name, meaning: $meaning }),*];
    };
}

variables! {
    CLOUD = "KVOPS_CLOUD": "The cloud: public, usgov, china, or one of a [cloud.NAME] table";
    TENANT = "KVOPS_TENANT": "The tenant, by GUID or domain name";
    CREDENTIAL = "KVOPS_CREDENTIAL": "Where kvops's own identity comes from: auto, cli, azd, env, mi, wif, pipelines, github";
    VAULT_CREDENTIAL = "KVOPS_VAULT_CREDENTIAL": "The same, for the vaults alone";
    GRAPH_CREDENTIAL = "KVOPS_GRAPH_CREDENTIAL": "The same, for Microsoft Graph alone";
    OUTPUT = "KVOPS_OUTPUT": "How results are written: table or json";
    LEDGER = "KVOPS_LEDGER": "The ledger, in place of kvops/ledger.jsonl in the folder for state";
    COMPANY = "KVOPS_COMPANY": "The company in the subject CN={app}.{company}.internal";
    CONFIG = "KVOPS_CONFIG": "The configuration file, in place of the nearest kvops.toml";
    CA = "KVOPS_CA": "A PEM file of roots to trust beside the system's";
    SSL_CERT_FILE = "SSL_CERT_FILE": "The same, by the name that other tools read";
    CLOCK = "KVOPS_CLOCK": "Address of a lab's control endpoint, whose clock is then used; loopback only";
    LOG = "KVOPS_LOG": "A filter for log lines on standard error, such as kvops=debug";
    NO_COLOR = "NO_COLOR": "Any value switches colour off";
    HTTPS_PROXY = "HTTPS_PROXY": "The proxy for all requests";
    NO_PROXY = "NO_PROXY": "Hosts that are reached without the proxy";
    CONFIG_HOME = "XDG_CONFIG_HOME": "The folder of the user's kvops/config.toml";
    STATE_HOME = "XDG_STATE_HOME": "The folder of the user's kvops/ledger.jsonl";
    RUNTIME_FOLDER = "XDG_RUNTIME_DIR": "The folder where a running proxy leaves its address and key for its user";
    HOME = "HOME": "The home folder, where those folders are not set";
}

/// The process's environment, taken once at the start. Values that are not Unicode are left out.
pub fn process_environment() -> Environment {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that reads the process's environment")]
    let variables = std::env::vars_os();
    variables.filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?))).collect()
}
