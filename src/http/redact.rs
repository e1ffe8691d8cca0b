//! A last sieve for text that a service sent back: services sometimes quote what they were given.

/// Replaces every word that looks like a JWT, and every occurrence of `secrets`, by `…`.
pub(super) fn redact(text: &str, secrets: &[&str]) -> String {
    let mut clean = text.to_owned();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        clean = clean.replace(secret, "…");
    }
    let mut out = String::with_capacity(clean.len());
    let mut rest = clean.as_str();
    // The header of every JWT is a JSON object: base64url of `{"` begins with `ey`.
    while let Some(at) = rest.find("ey") {
        let (before, from) = rest.split_at(at);
        let end = from.find(|c: char| !(c.is_ascii_alphanumeric() || "-_.=".contains(c))).unwrap_or(from.len());
        let word = &from[..end];
        out.push_str(before);
        out.push_str(if is_jwt(word) { "…" } else { word });
        rest = &from[end..];
    }
    out.push_str(rest);
    out
}

fn is_jwt(word: &str) -> bool {
    let mut parts = word.split('.');
    let long = |part: Option<&str>| part.is_some_and(|part| part.len() >= 8);
    long(parts.next()) && long(parts.next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_disappear_and_words_stay() {
        let text = "they key: Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2ln, secret hunter2, eyes. monkey.banana";
        assert_eq!(redact(text, &["hunter2", ""]), "they key: Bearer …, secret …, eyes. monkey.banana");
    }
}
