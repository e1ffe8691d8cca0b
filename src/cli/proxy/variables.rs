//! The variables that make programs take their tokens from a proxy.

use crate::domain::AppId;
use crate::domain::Secret;

/// How the Azure SDKs are told of a managed identity.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub(crate) enum Identity {
    /// In each way; SDKs take the first that they know, which is App Service
    #[default]
    All,
    /// `IDENTITY_ENDPOINT` and `IDENTITY_HEADER`
    AppService,
    /// `AZURE_POD_IDENTITY_AUTHORITY_HOST`, in place of a virtual machine's address
    Imds,
    /// `MSI_ENDPOINT`
    CloudShell,
}

/// How a shell is told.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, clap::ValueEnum)]
pub(crate) enum Shell {
    /// For `eval` in sh, bash and zsh
    #[default]
    Sh,
    /// For `source` in fish
    Fish,
    /// For `Invoke-Expression` in PowerShell
    Powershell,
    /// One object
    Json,
}

/// What programs have to know of a proxy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Known<'a> {
    /// Without a slash at the end.
    pub(crate) url: &'a str,
    /// The key of the run.
    pub(crate) key: &'a Secret<String>,
    /// The same as it stands in addresses.
    pub(crate) address_key: &'a Secret<String>,
    /// Which profile answers, where there are several.
    pub(crate) profile: Option<&'a str>,
    /// Whose tokens there are.
    pub(crate) app: AppId,
}

/// What would lead an SDK past the proxy: another identity, or another address of one.
pub(crate) const WITHHELD: [&str; 13] = [
    "AZURE_CLIENT_SECRET",
    "AZURE_CLIENT_CERTIFICATE_PATH",
    "AZURE_CLIENT_CERTIFICATE_PASSWORD",
    "AZURE_FEDERATED_TOKEN_FILE",
    "AZURE_USERNAME",
    "AZURE_PASSWORD",
    "AZURE_TOKEN_CREDENTIALS",
    "AZURE_POD_IDENTITY_AUTHORITY_HOST",
    "IDENTITY_ENDPOINT",
    "IDENTITY_HEADER",
    "IDENTITY_SERVER_THUMBPRINT",
    "IMDS_ENDPOINT",
    "MSI_SECRET",
];

impl Known<'_> {
    /// Names and values, in the order to show them.
    ///
    /// The protocols of virtual machines and of Cloud Shell have no place for a key, so that it
    /// stands in the address that the program is given.
    pub(crate) fn variables(&self, identity: Identity) -> Vec<(&'static str, String)> {
        let (url, key, address_key) = (self.url, self.key.expose(), self.address_key.expose());
        let profile = self.profile.map(|name| format!("/{name}")).unwrap_or_default();
        let mut variables = Vec::new();
        if matches!(identity, Identity::All | Identity::AppService) {
            variables.push(("IDENTITY_ENDPOINT", format!("{url}/msi{profile}/token")));
            variables.push(("IDENTITY_HEADER", key.clone()));
        }
        if matches!(identity, Identity::All | Identity::CloudShell) {
            variables.push(("MSI_ENDPOINT", format!("{url}/run/{address_key}{profile}/msi")));
        }
        if matches!(identity, Identity::All | Identity::Imds) {
            variables.push(("AZURE_POD_IDENTITY_AUTHORITY_HOST", format!("{url}/run/{address_key}{profile}")));
        }
        variables.push(("AZURE_CLIENT_ID", self.app.to_string()));
        variables.push(("KVOPS_PROXY_URL", url.to_owned()));
        variables.push(("KVOPS_PROXY_KEY", key.clone()));
        variables
    }
}

/// The variables as a shell reads them.
pub(crate) fn written(variables: &[(&'static str, String)], shell: Shell) -> String {
    let line = |(name, value): &(&str, String)| match shell {
        Shell::Sh => format!("export {name}='{}'\n", value.replace('\'', "'\\''")),
        Shell::Fish => format!("set -gx {name} '{}'\n", value.replace('\\', "\\\\").replace('\'', "\\'")),
        Shell::Powershell => format!("$env:{name} = '{}'\n", value.replace('\'', "''")),
        Shell::Json => String::new(),
    };
    if shell == Shell::Json {
        let object: serde_json::Map<_, _> =
            variables.iter().map(|(name, value)| ((*name).to_owned(), value.as_str().into())).collect();
        return format!("{:#}\n", serde_json::Value::Object(object));
    }
    variables.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(identity: Identity, profile: Option<&str>) -> Vec<(&'static str, String)> {
        let (key, address_key) = (Secret::new("KEY".to_owned()), Secret::new("6b6579".to_owned()));
        let app = "615e6319-bf4f-4279-937c-b9eb198e511f".parse().unwrap();
        Known { url: "http://127.0.0.1:5616", key: &key, address_key: &address_key, profile, app }.variables(identity)
    }

    fn names(identity: Identity) -> Vec<&'static str> {
        let all = variables(identity, None).into_iter().map(|(name, _)| name);
        all.filter(|name| !name.starts_with("KVOPS_") && *name != "AZURE_CLIENT_ID").collect()
    }

    #[test]
    fn each_shape_has_variables_of_its_own() {
        assert_eq!(names(Identity::AppService), ["IDENTITY_ENDPOINT", "IDENTITY_HEADER"]);
        assert_eq!(names(Identity::Imds), ["AZURE_POD_IDENTITY_AUTHORITY_HOST"]);
        assert_eq!(names(Identity::CloudShell), ["MSI_ENDPOINT"]);
        assert_eq!(names(Identity::All).len(), 4);
    }

    #[test]
    fn a_profile_stands_in_each_address() {
        let addresses: Vec<_> = variables(Identity::All, Some("billing"))
            .into_iter()
            .filter(|(name, _)| name.ends_with("ENDPOINT") || name.ends_with("HOST"))
            .map(|(_, value)| value)
            .collect();
        assert_eq!(
            addresses,
            [
                "http://127.0.0.1:5616/msi/billing/token",
                "http://127.0.0.1:5616/run/6b6579/billing/msi",
                "http://127.0.0.1:5616/run/6b6579/billing",
            ]
        );
    }

    #[test]
    fn what_is_set_for_the_child_and_what_is_kept_from_it_do_not_leave_a_way_past() {
        for name in ["IDENTITY_SERVER_THUMBPRINT", "IMDS_ENDPOINT", "MSI_SECRET", "AZURE_CLIENT_SECRET"] {
            assert!(WITHHELD.contains(&name), "{name}");
        }
    }

    #[test]
    fn a_quote_stays_inside_its_quotes_in_every_shell() {
        let odd = [("A", "o'brien\\".to_owned())];
        assert_eq!(written(&odd, Shell::Sh), "export A='o'\\''brien\\'\n");
        assert_eq!(written(&odd, Shell::Fish), "set -gx A 'o\\'brien\\\\'\n");
        assert_eq!(written(&odd, Shell::Powershell), "$env:A = 'o''brien\\'\n");
        assert_eq!(written(&odd, Shell::Json), "{\n  \"A\": \"o'brien\\\\\"\n}\n");
    }
}
