//! Why a mail or an event is not even looked into.

/// Why a notice says nothing that could be confirmed. Nobody has been asked anything by then.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Longer than any notice.
    #[error("it is longer than {} KiB, which no notice is", limit / 1024)]
    TooLong {
        /// The most that is read, in bytes.
        limit: usize,
    },
    /// No mail at all.
    #[error("it is no mail: {0}")]
    NotMail(&'static str),
    /// Built to exhaust whoever reads it.
    #[error("it is nested or packed as no mail program does: {0}")]
    Overbuilt(&'static str),
    /// Cut off.
    #[error("it is cut off: {0}")]
    CutOff(&'static str),
    /// A fact is missing.
    #[error("it names no {0}")]
    Missing(&'static str),
    /// A thumbprint that is none.
    #[error("its thumbprint `{text}` is none: a thumbprint has 40 hex digits")]
    Thumbprint {
        /// What stands there, made printable.
        text: String,
    },
    /// More than one answer to a question that has one.
    #[error("it names more than one {what}: {first} and {second}")]
    Several {
        /// Of what.
        what: &'static str,
        /// One.
        first: String,
        /// Another.
        second: String,
    },
    /// Letters of other alphabets, or invisible ones, in a name that has none.
    #[error("its {what} `{text}` is spelled with letters that only look right")]
    Lookalike {
        /// Of what.
        what: &'static str,
        /// What stands there, made printable.
        text: String,
    },
    /// A host that is no vault of the cloud in use.
    #[error("it points to `{host}`, which is no vault of cloud {cloud}: its vaults are NAME.{suffix}")]
    ForeignHost {
        /// The host, made printable.
        host: String,
        /// The cloud in use.
        cloud: String,
        /// What its vaults end in.
        suffix: String,
    },
    /// No JSON.
    #[error("it is no JSON")]
    NotJson(#[source] serde_json::Error),
    /// JSON, and no event.
    #[error("item {index} is no event of Event Grid and no CloudEvent: {problem}")]
    NotAnEvent {
        /// Which, from 1.
        index: usize,
        /// What is wrong.
        problem: String,
    },
    /// An event that contradicts itself.
    #[error("event {id} contradicts itself: its {what} is {first} here and {second} there")]
    SelfContradiction {
        /// The event.
        id: String,
        /// About what.
        what: &'static str,
        /// One.
        first: String,
        /// The other.
        second: String,
    },
}

/// Hostile text with everything shown that could be mistaken for something else.
pub(super) fn revealed(text: &str) -> String {
    let shown = |c: char| if c.is_ascii_graphic() || c == ' ' { c.to_string() } else { c.escape_unicode().to_string() };
    text.chars().take(120).map(shown).collect()
}
