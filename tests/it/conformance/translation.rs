//! What a recorded text is called in the lab: ids, versions and links that differ in every run.

use serde_json::{Map, Value};

/// Recorded texts and what stands for them, learned from pairs of answers.
#[derive(Debug, Default)]
pub(crate) struct Translation(Vec<(String, String)>);

/// Whether a text is made up anew in every run: 32 hex digits, a GUID, or much base64. Nothing
/// else may be translated, or a wrong answer would be taken for another name of the right one.
fn is_id(text: &str) -> bool {
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let is_guid =
        text.len() == 36 && text.split('-').map(str::len).eq([8, 4, 4, 4, 12]) && is_hex(&text.replace('-', ""));
    let is_base64 = |byte: u8| byte.is_ascii_alphanumeric() || b"+/=_-".contains(&byte);
    is_guid || text.len() == 32 && is_hex(text) || text.len() >= 60 && text.bytes().all(is_base64)
}

impl Translation {
    /// Notes that `recorded` is `answered` in the lab.
    pub(crate) fn note(&mut self, recorded: &str, answered: &str) {
        if recorded == answered || self.0.iter().any(|(known, _)| known == recorded) {
            return;
        }
        self.0.push((recorded.to_owned(), answered.to_owned()));
        // A link holds ids: it has to be found before they are.
        self.0.sort_by_key(|(recorded, _)| std::cmp::Reverse(recorded.len()));
    }

    /// Learns from an answer of the lab and the recorded one.
    pub(crate) fn learn(&mut self, recorded: &Value, answered: &Value) {
        match (recorded, answered) {
            (Value::Object(recorded), Value::Object(answered)) => {
                for (name, value) in recorded {
                    if let Some(other) = answered.get(name) {
                        self.learn(value, other);
                    }
                }
            }
            (Value::Array(recorded), Value::Array(answered)) => {
                for (value, other) in recorded.iter().zip(answered) {
                    self.learn(value, other);
                }
            }
            (Value::String(recorded), Value::String(answered)) => self.learn_text(recorded, answered),
            _ => {}
        }
    }

    /// Learns from a pair of texts, for headers.
    pub(crate) fn learn_text(&mut self, recorded: &str, answered: &str) {
        if recorded.starts_with('<') {
            return self.note(recorded, answered);
        }
        if recorded.starts_with("https://") {
            let parts = |text: &str| text.split(['/', '?', '&', '=']).skip(3).map(str::to_owned).collect::<Vec<_>>();
            let (recorded, answered) = (parts(recorded), parts(answered));
            if recorded.len() == answered.len() {
                for (part, other) in recorded.iter().zip(&answered).filter(|(part, _)| is_id(part)) {
                    self.note(part, other);
                }
            }
        } else if is_id(recorded) {
            self.note(recorded, answered);
        }
    }

    /// A recorded text as it is in the lab.
    pub(crate) fn text(&self, recorded: &str) -> String {
        let mut text = recorded.to_owned();
        for (from, to) in &self.0 {
            if text.contains(from.as_str()) {
                text = text.replace(from.as_str(), to);
            }
        }
        text
    }

    /// The same for all texts in a value.
    pub(crate) fn value(&self, recorded: &Value) -> Value {
        match recorded {
            Value::String(text) => self.text(text).into(),
            Value::Array(values) => values.iter().map(|value| self.value(value)).collect(),
            Value::Object(members) => {
                let translated = members.iter().map(|(name, value)| (name.clone(), self.value(value)));
                Value::Object(translated.collect::<Map<_, _>>())
            }
            other => other.clone(),
        }
    }
}

#[test]
fn ids_in_links_and_texts_are_translated_and_short_words_are_not() {
    let mut translation = Translation::default();
    let old = "0123456789abcdef0123456789abcdef";
    let new = "fedcba9876543210fedcba9876543210";
    translation.learn(
        &serde_json::json!({"id": format!("https://old.example/keys/a/{old}"), "name": "a"}),
        &serde_json::json!({"id": format!("https://new.example/keys/a/{new}"), "name": "b"}),
    );
    assert_eq!(translation.text(&format!("/keys/a/{old}/sign")), format!("/keys/a/{new}/sign"));
    assert_eq!(translation.text("a"), "a");
    translation.learn(&"digitalSignature".into(), &"keyEncipherment".into());
    assert_eq!(translation.text("digitalSignature"), "digitalSignature");
}
