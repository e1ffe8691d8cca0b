//! The variables that tell programs where a lab is.

use super::Lab;

/// Names and values, in the order to show them.
pub(super) fn variables(lab: &Lab) -> Vec<(String, String)> {
    let origin = format!("https://localhost:{}", lab.port);
    let (tenant, header, operator, secret) = lab.with_world(|world| {
        let operator = world.entra.operator.clone();
        let secret = operator.as_ref().map(|operator| operator.secret(world).expose().clone());
        (world.tenant, world.entra.identity_header.clone(), operator, secret)
    });
    let mut variables = vec![
        ("LAB_AUTHORITY", origin.clone()),
        ("LAB_TENANT", tenant.to_string()),
        ("LAB_VAULT_SUFFIX", format!("vault.localhost:{}", lab.port)),
        ("LAB_GRAPH_URL", origin.clone()),
        ("LAB_ARM_URL", origin),
        ("LAB_CA", lab.dir.join("ca.pem").display().to_string()),
        ("LAB_CONTROL_URL", lab.control_url()),
        ("LAB_IDENTITY_URL", lab.identity_url()),
        ("LAB_IDENTITY_HEADER", header),
    ];
    if let Some(operator) = operator {
        variables.extend([
            ("LAB_VAULT_URL", format!("https://{}.vault.localhost:{}", operator.vault, lab.port)),
            ("LAB_CLIENT_ID", operator.app_id.to_string()),
            ("LAB_CLIENT_SECRET", secret.unwrap_or_default()),
            ("LAB_APP_OBJECT_ID", operator.subject_object_id.to_string()),
            ("LAB_APP_ID", operator.subject_app_id.to_string()),
        ]);
    }
    variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The variables as a shell reads them: `export NAME='value'`, a line each.
pub fn exports(variables: &[(String, String)]) -> String {
    variables.iter().map(|(name, value)| format!("export {name}='{}'\n", value.replace('\'', "'\\''"))).collect()
}

/// Reads what [`exports`] wrote. Lines that are none of its own are left out.
pub fn parse_exports(text: &str) -> Vec<(String, String)> {
    let variable = |line: &str| {
        let (name, value) = line.strip_prefix("export ")?.split_once('=')?;
        let value = value.strip_prefix('\'')?.strip_suffix('\'')?;
        Some((name.to_owned(), value.replace("'\\''", "'")))
    };
    text.lines().filter_map(variable).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read() {
        let variables = [("A", "b c"), ("LAB_CA", "/o'brien/'x'"), ("E", "")];
        let variables = variables.map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(parse_exports(&exports(&variables)), variables);
        assert!(parse_exports("A=b\nexport C=d\n# export E='f'\n").is_empty());
    }

    #[test]
    fn a_quote_in_a_value_stays_inside_its_quotes() {
        let exports = exports(&[("LAB_CA".to_owned(), "/o'brien/ca.pem".to_owned())]);
        assert_eq!(exports, "export LAB_CA='/o'\\''brien/ca.pem'\n");
    }
}
