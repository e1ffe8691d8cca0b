//! What the numbers of the token endpoint mean, and what helps.
//!
//! The texts behind `AADSTS` codes change over the years; the numbers do not.

/// Whether, and when, the same request may succeed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Retry {
    /// Not before somebody changes something.
    Never,
    /// For a limited time after a certificate was attached: the directory is still spreading it.
    AfterAttach,
    /// For a limited time after the application was registered.
    AfterCreate,
    /// With an assertion made anew, once clock and audience are right.
    Rebuilt,
    /// Later: the endpoint is throttling.
    BackOff,
}

/// One code.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Meaning {
    /// The number in `AADSTS700027`.
    pub code: u32,
    /// What is so.
    pub what: &'static str,
    /// What to do about it; begins with a verb.
    pub hint: &'static str,
    /// Whether waiting helps.
    pub retry: Retry,
}

const fn row(code: u32, retry: Retry, what: &'static str, hint: &'static str) -> Meaning {
    Meaning { code, what, hint, retry }
}

/// In ascending order, which a test checks.
const MEANINGS: &[Meaning] = &[
    row(
        50_013,
        Retry::Never,
        "the federated token's signature is not that of the published key with its kid",
        "look at what the issuer publishes with `kvops jwks verify`",
    ),
    row(50_027, Retry::Rebuilt, "the assertion's header names no certificate", "report this as a bug of kvops"),
    row(
        50_166,
        Retry::Never,
        "Entra could not read what the federated token's issuer publishes",
        "look at it from outside with `kvops jwks verify`: Entra needs both documents over https",
    ),
    row(50_196, Retry::BackOff, "the client repeats the same request in a loop", "wait some minutes"),
    row(
        53_003,
        Retry::Never,
        "a conditional access policy blocks this workload identity",
        "ask who owns the policy, naming the application and this network",
    ),
    row(
        70_011,
        Retry::Never,
        "the scope is not of the form RESOURCE/.default",
        "give a scope such as https://graph.microsoft.com/.default",
    ),
    row(
        70_021,
        Retry::Never,
        "no federated credential of the application matches the assertion",
        "compare issuer, subject and audience, letter by letter",
    ),
    row(90_002, Retry::Never, "there is no such tenant in this cloud", "check --tenant and --cloud"),
    row(90_055, Retry::BackOff, "the token endpoint is throttling", "wait some minutes"),
    row(
        500_011,
        Retry::Never,
        "the resource has no service principal in the tenant",
        "check the scope, or register the resource in this tenant",
    ),
    row(
        501_051,
        Retry::Never,
        "the resource requires an assignment that the application lacks",
        "assign an app role of the resource to the application",
    ),
    row(
        700_016,
        Retry::AfterCreate,
        "the application is not in this tenant",
        "check --app and --tenant; consent to it there, or wait if it was just registered",
    ),
    row(700_023, Retry::Rebuilt, "the assertion's audience is not this token endpoint", "check --cloud and --tenant"),
    row(700_024, Retry::Rebuilt, "the assertion is not valid at the service's time", "set this machine's clock"),
    row(
        700_025,
        Retry::Never,
        "the application is a public client and cannot prove who it is",
        "switch off `isFallbackPublicClient`",
    ),
    row(
        700_027,
        Retry::AfterAttach,
        "the certificate is not attached to the application, or the signature is not its own",
        "attach the certificate with `kvops attach`",
    ),
    row(
        700_030,
        Retry::Never,
        "the certificate's subject or issuer is not allowed",
        "use a certificate that is attached itself",
    ),
    row(
        700_211,
        Retry::Never,
        "no federated credential has the assertion's issuer",
        "compare the issuers, letter by letter",
    ),
    row(
        700_212,
        Retry::Never,
        "no federated credential has the assertion's audience",
        "compare the audiences, letter by letter",
    ),
    row(
        700_213,
        Retry::Never,
        "no federated credential has the assertion's subject",
        "compare the subjects, letter by letter and case by case",
    ),
    row(900_144, Retry::Never, "the request lacks a parameter", "report this as a bug of kvops"),
    row(1_000_502, Retry::Never, "the certificate is outside its validity", "make a new one with `kvops provision`"),
    row(
        1_002_012,
        Retry::Never,
        "the scope is not of the form RESOURCE/.default",
        "give a scope such as https://graph.microsoft.com/.default",
    ),
    row(7_000_214, Retry::Never, "the certificate is revoked", "use another certificate"),
    row(
        7_000_215,
        Retry::Never,
        "the client secret is wrong",
        "check AZURE_CLIENT_SECRET: it takes the secret's value, not its id",
    ),
    row(
        7_000_222,
        Retry::Never,
        "the client secret has expired",
        "make a new one, or better: use a certificate in a vault",
    ),
    row(
        7_000_272,
        Retry::Never,
        "the federated token was signed with a key that its issuer did not publish when Entra read last",
        "look at what the issuer publishes with `kvops jwks verify`; a new key signs only after the rollover",
    ),
    row(7_000_274, Retry::Never, "the assertion's signature is invalid", "use another certificate"),
    row(7_000_277, Retry::Never, "the certificate is not trusted", "use another certificate"),
    row(
        7_002_137,
        Retry::Never,
        "no federated credential has the assertion's issuer, though one differs in case alone",
        "compare the issuers, letter by letter and case by case",
    ),
    row(
        7_002_138,
        Retry::Never,
        "no federated credential has the assertion's subject, though one differs in case alone",
        "compare the subjects, letter by letter and case by case",
    ),
    row(9_002_313, Retry::Never, "the request is malformed", "report this as a bug of kvops"),
];

/// What a code means, if it is a known one.
pub fn meaning_of(code: u32) -> Option<&'static Meaning> {
    MEANINGS.iter().find(|meaning| meaning.code == code)
}

/// All known codes, for `kvops explain` and its page.
pub const fn meanings() -> &'static [Meaning] {
    MEANINGS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_in_order_and_unique() {
        assert!(MEANINGS.windows(2).all(|pair| pair[0].code < pair[1].code));
    }

    #[test]
    fn waiting_helps_only_where_something_spreads() {
        assert_eq!(meaning_of(700_027).unwrap().retry, Retry::AfterAttach);
        assert_eq!(meaning_of(7_000_215).unwrap().retry, Retry::Never);
        assert_eq!(meaning_of(1), None);
    }
}
