//! Key usages, and what a key may do because of them.

use crate::lab::keyvault::error::Refusal;

/// The bits of RFC 5280 4.2.1.3 in their order, in Key Vault's spelling.
pub(crate) const KEY_USAGES: [&str; 9] = [
    "digitalSignature",
    "nonRepudiation",
    "keyEncipherment",
    "dataEncipherment",
    "keyAgreement",
    "keyCertSign",
    "cRLSign",
    "encipherOnly",
    "decipherOnly",
];

/// Sorted, without doubles, in the service's case.
pub(super) fn canonical_usages(sent: &[String]) -> Result<Vec<String>, Refusal> {
    let mut usages = Vec::new();
    for usage in sent {
        let known = KEY_USAGES.iter().find(|known| known.eq_ignore_ascii_case(usage));
        let known = known.ok_or_else(|| Refusal::invalid_property("policy.x509_props.key_usage", ""))?;
        usages.push((*known).to_owned());
    }
    usages.sort();
    usages.dedup();
    Ok(usages)
}

/// What a key may be used for, after the key usages of its certificate.
pub(crate) fn key_ops(usages: &[String]) -> Vec<String> {
    let has = |names: &[&str]| usages.iter().any(|usage| names.contains(&usage.as_str()));
    let is_unrestricted = usages.is_empty();
    let groups: [(bool, &[&str]); 4] = [
        (
            is_unrestricted || has(&["digitalSignature", "nonRepudiation", "keyCertSign", "cRLSign"]),
            &["sign", "verify"],
        ),
        (is_unrestricted || has(&["keyEncipherment"]), &["wrapKey", "unwrapKey"]),
        (is_unrestricted || has(&["dataEncipherment", "encipherOnly"]), &["encrypt"]),
        (is_unrestricted || has(&["dataEncipherment", "decipherOnly"]), &["decrypt"]),
    ];
    groups.iter().filter(|(is_on, _)| *is_on).flat_map(|(_, ops)| ops.iter().map(|&op| op.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ops(usages: &[&str]) -> Vec<String> {
        key_ops(&usages.iter().map(|&usage| usage.to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn a_key_may_do_what_its_usages_say_and_nothing_else() {
        assert_eq!(ops(&["digitalSignature"]), ["sign", "verify"]);
        assert_eq!(ops(&["digitalSignature", "keyEncipherment"]), ["sign", "verify", "wrapKey", "unwrapKey"]);
        assert_eq!(ops(&["decipherOnly"]), ["decrypt"]);
        assert_eq!(ops(&["keyAgreement"]), [""; 0]);
        assert_eq!(ops(&[]).len(), 6);
    }

    #[test]
    fn usages_come_back_sorted_and_in_the_services_case() {
        let sent = ["crlSign", "DIGITALSIGNATURE", "crlSign"].map(str::to_owned);
        assert_eq!(canonical_usages(&sent), Ok(vec!["cRLSign".to_owned(), "digitalSignature".to_owned()]));
        assert!(canonical_usages(&["invalid".to_owned()]).is_err());
    }
}
