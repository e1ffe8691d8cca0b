//! Commands that bring an old value back, ready to be pasted into a shell.

use std::fmt::Write as _;

use serde_json::Value;
use url::Url;

/// A request to Graph by `az rest`, with a JSON body.
pub fn az_rest(method: &str, graph: &Url, path: &str, body: &Value) -> String {
    let root = graph.as_str().trim_end_matches('/');
    az_rest_at(method, &format!("{root}/v1.0/{path}"), None, body)
}

/// The same at any address; `resource` is whom the token is for where az does not know it by the address.
pub fn az_rest_at(method: &str, address: &str, resource: Option<&str>, body: &Value) -> String {
    let resource = resource.map(|resource| format!(" --resource {}", quoted(resource))).unwrap_or_default();
    format!(
        "az rest --method {method} --uri {}{resource} --headers Content-Type=application/json --body {}",
        quoted(address),
        quoted(&plain_json(body))
    )
}

/// Between single quotes, as POSIX shells take it: nothing inside means anything.
pub fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// JSON in ASCII: what is in it is hostile text, and a terminal is to show what a shell gets.
fn plain_json(value: &Value) -> String {
    let mut plain = String::new();
    for c in value.to_string().chars() {
        if matches!(c, ' '..='~') {
            plain.push(c);
            continue;
        }
        for unit in c.encode_utf16(&mut [0; 2]) {
            let _ = write!(plain, "\\u{unit:04x}");
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_hostile_address_leaves_neither_its_quotes_nor_a_trace_on_the_terminal() {
        let graph = Url::parse("https://graph.microsoft.com/").unwrap();
        let body =
            json!({ "web": { "redirectUris": ["https://a/'; rm -rf ~ #", "https://b/\u{202e}\u{1b}[2J\u{1f4a5}"] } });
        let command = az_rest("PATCH", &graph, "applications/1", &body);
        assert!(command.is_ascii() && !command.contains('\u{1b}'), "{command}");
        assert!(command.contains(r"https://a/'\''; rm -rf ~ #"), "{command}");
        assert!(command.contains(r"\u202e\u001b[2J\ud83d\udca5"), "{command}");
        assert!(command.starts_with("az rest --method PATCH --uri 'https://graph.microsoft.com/v1.0/applications/1'"));
    }
}
