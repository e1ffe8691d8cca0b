//! Hosts that a notice points to, and whether one of them only looks like a vault.

use url::Url;

use super::error::{Error, revealed};
use crate::domain::{Cloud, VaultName, is_invisible};

/// The name of a vault that `word` points to; `None` for a word that does not look like the address
/// of a vault at all.
pub(super) fn vault_in(word: &str, cloud: &Cloud) -> Result<Option<VaultName>, Error> {
    let Some(host) = host_of(word) else { return Ok(None) };
    if !looks_like_a_vault(host, cloud) {
        return Ok(None);
    }
    let url = Url::parse(&format!("https://{host}/"));
    let vault = url.ok().filter(|_| host.is_ascii() && !host.contains('@')).and_then(|url| cloud.vault_of(&url));
    vault.map(Some).ok_or_else(|| Error::ForeignHost {
        host: revealed(host),
        cloud: cloud.name().to_owned(),
        suffix: cloud.vault_suffix().to_owned(),
    })
}

/// The authority of a URL, or a bare word with dots in it. Not the domain of a mail address.
fn host_of(word: &str) -> Option<&str> {
    let (is_url, rest) = match word.split_once("://") {
        Some((_, rest)) => (true, rest),
        None => (false, word),
    };
    let host = rest.split(['/', '?', '#', '\\']).next().unwrap_or_default();
    let is_host = if is_url { !host.is_empty() } else { !host.contains('@') && host.chars().any(is_dot) };
    is_host.then_some(host)
}

/// Whether a reader would take the host for a vault: by what it looks like, not by what it is.
fn looks_like_a_vault(host: &str, cloud: &Cloud) -> bool {
    let seen = skeleton(host);
    let suffixes = [cloud.vault_suffix(), "vault.azure.net", "vault.usgovcloudapi.net", "vault.azure.cn"];
    let domain = |suffix: &str| skeleton(suffix.split(':').next().unwrap_or_default());
    suffixes.into_iter().any(|suffix| seen.contains(&domain(suffix)))
        || seen.contains(".vault.")
        || (seen.contains("vault") && seen.contains("azure"))
        // A name in Punycode shows its plain letters only; beside "vault" or "azure" it is a disguise.
        || (seen.contains("xn--") && (seen.contains("vault") || seen.contains("azure") || seen.contains("vau")))
}

/// How a host looks: letters that are drawn alike become one (after UTS #39, for the letters of
/// the words in question), and invisible ones go.
fn skeleton(host: &str) -> String {
    host.chars().filter_map(drawn).collect()
}

fn drawn(c: char) -> Option<char> {
    if is_invisible(c) {
        return None;
    }
    let c = match c {
        '\u{ff01}'..='\u{ff5e}' => char::from_u32(u32::from(c) - 0xfee0).unwrap_or(c),
        c if is_dot(c) => '.',
        c => c,
    };
    let c = c.to_lowercase().next().unwrap_or(c);
    Some(match c {
        'а' | 'α' | 'ɑ' | 'à' | 'á' | 'â' | 'ä' | 'ã' | 'å' | 'ā' => 'a',
        'е' | 'ε' | 'é' | 'è' | 'ê' | 'ë' | 'ē' | 'ė' => 'e',
        'т' | 'τ' | 'ţ' | 'ť' => 't',
        'υ' | 'ս' | 'ü' | 'ù' | 'ú' | 'û' | 'ū' => 'u',
        'ѵ' | 'ν' => 'v',
        'ӏ' | 'ι' | 'і' | 'ı' | '1' | '|' | 'ł' => 'l',
        'ź' | 'ż' | 'ž' | 'ʐ' | 'ᴢ' | '2' => 'z',
        'г' | 'ŕ' | 'ř' => 'r',
        'ո' | 'п' | 'ñ' | 'ń' => 'n',
        '3' => 'e',
        c => c,
    })
}

/// The characters that IDNA takes for a full stop.
fn is_dot(c: char) -> bool {
    matches!(c, '.' | '\u{3002}' | '\u{ff0e}' | '\u{ff61}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vault_is_named_by_its_host() {
        let cloud = Cloud::public();
        for word in [
            "https://contoso-kv.vault.azure.net/certificates/billing/0123456789abcdef0123456789abcdef",
            "https://CONTOSO-KV.vault.azure.net",
            "contoso-kv.vault.azure.net",
        ] {
            assert_eq!(vault_in(word, &cloud).unwrap().unwrap().as_str(), "contoso-kv", "{word}");
        }
    }

    #[test]
    fn what_only_looks_like_a_vault_is_refused() {
        let cloud = Cloud::public();
        for word in [
            "https://contoso-kv.vault.azure.net.evil.example/certificates/billing",
            "https://contoso-kv.vault.аzure.net/",
            "https://contoso-kv.vau1t.azure.net/",
            "https://contoso-kv.vault\u{200b}.azure.net/",
            "https://contoso-kv.vault-azure.net/",
            "https://contoso-kv.vault。azure。net/",
            "https://contoso-kv.vault.azure.net@evil.example/",
            "https://contoso-kv.vault.azure.net:8443/",
            "https://xn--vult-5na.azure.net/",
            "https://a.b.vault.azure.net/",
            "https://contoso-kv.vault.azure.cn/",
            "https://vault.azure.net\\.evil.example/",
            "contoso-kv.vаult.azure.net",
        ] {
            assert!(matches!(vault_in(word, &cloud), Err(Error::ForeignHost { .. })), "{word}");
        }
    }

    #[test]
    fn links_to_other_places_say_nothing() {
        let cloud = Cloud::public();
        for word in [
            "https://learn.microsoft.com/azure/key-vault/certificates/",
            "https://portal.azure.com/#home",
            "https://aka.ms/keyvault",
            "azure-noreply@microsoft.com",
            "kv@contoso-kv.vault.azure.net",
            "up-to-date.",
            "billing",
            "",
        ] {
            assert_eq!(vault_in(word, &cloud).unwrap(), None, "{word}");
        }
    }
}
