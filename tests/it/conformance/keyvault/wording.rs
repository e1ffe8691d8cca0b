//! Sentences of the service that were reworded over the years, and names that differ in every run.

/// The sentence as it is today, without ids and names of vaults.
pub(super) fn present(text: &str) -> String {
    // Until 2021 without a code, since 2026 with one more kind of token.
    let text = text.trim_start_matches("AKV10000: ").replace("Bearer, PoP, or MTLS_POP", "Bearer or PoP");
    // Until 2020; today it says where deleted ones are.
    if let Some(name) = text.strip_prefix("Certificate not found: ") {
        return format!(
            "A certificate with (name/id) {name} was not found in this key vault. If you recently deleted this \
             certificate you may be able to recover it using the correct recovery command. For help resolving this \
             issue, please see https://go.microsoft.com/fwlink/?linkid=2125182"
        );
    }
    // An authority's telephone number.
    let text = text.split(" If you have any questions").next().unwrap_or_default().to_owned();
    let text = without_vault(&text);
    let words = text.split_inclusive(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    words.map(|word| if is_guid(word) { format!("GUID{}", &word[36..]) } else { word.to_owned() }).collect()
}

/// `key vault 'NAME;` without the name.
fn without_vault(text: &str) -> String {
    let Some((before, after)) = text.split_once("key vault '") else { return text.to_owned() };
    let Some((_, after)) = after.split_once(';') else { return text.to_owned() };
    format!("{before}key vault ';{after}")
}

fn is_guid(word: &str) -> bool {
    let word = word.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
    word.len() == 36 && word.split('-').map(str::len).eq([8, 4, 4, 4, 12])
}

#[test]
fn only_what_was_reworded_is_the_same() {
    let today = "AKV10000: Request is missing a Bearer or PoP token.";
    assert_eq!(present("Request is missing a Bearer or PoP token."), present(today));
    assert_ne!(present("Request is missing a token."), present(today));
    let forbidden =
        |id: &str, what: &str| format!("'appid={id};oid=x' does not have {what} on key vault 'a;location=b'");
    let (one, other) = ("f850650c-1fcf-4489-b46f-71af2e30d360", "00000000-0000-0000-0000-000000000000");
    assert_eq!(present(&forbidden(one, "keys get")), present(&forbidden(other, "keys get")));
    assert_ne!(present(&forbidden(one, "keys get")), present(&forbidden(one, "keys list")));
}
