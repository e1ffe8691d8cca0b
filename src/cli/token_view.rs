//! What `kvops token` writes. Claims are shown; the token only where an output asks for it.

use serde::Serialize;
use serde_json::{Map, Value, json};
use tabled::settings::Style;
use tabled::{Table, Tabled};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::console::Tone;
use super::context::Context;
use super::exit::Exit;
use super::expect::{Expectation, ExpectedError, Unmet};
use super::failure::Failure;
use super::view::{Lines, date};
use crate::domain::{KeyUrl, Secret, TenantId, printable};
use crate::entra;
use crate::http;
use crate::pki::{ClientAssertion, DecodedToken};
use crate::sign_in::{self, SignedIn};

/// `--output` of `kvops token`.
#[derive(Clone, Copy, Debug, Eq, PartialEq, clap::ValueEnum)]
pub(crate) enum TokenFormat {
    /// Claims, for people
    Table,
    /// Claims, as JSON
    Json,
    /// The token alone
    Raw,
    /// `ACCESS_TOKEN=…` for a shell
    Env,
    /// An Authorization header
    Header,
    /// For `curl --config -`
    CurlConfig,
    /// `ExecCredential` of Kubernetes
    KubectlExec,
    /// Executable-sourced credential of Google Cloud
    GcpExecutable,
}

impl TokenFormat {
    fn hands_out_the_token(self) -> bool {
        !matches!(self, Self::Table | Self::Json)
    }

    /// Refuses, before anything is signed, what could not be written in this form afterwards.
    pub(crate) fn check(self, tenants: usize, is_assertion: bool) -> Result<(), Failure> {
        let problem = if is_assertion && !matches!(self, Self::Table | Self::Json | Self::Raw) {
            "an assertion is written as table, json or raw"
        } else if self.hands_out_the_token() && tenants != 1 {
            "this output hands out one token, so it takes one tenant"
        } else {
            return Ok(());
        };
        Err(Failure::new(Exit::Usage, problem))
    }
}

/// What came of one tenant.
#[derive(Debug)]
pub(crate) struct Attempt {
    tenant: TenantId,
    took: time::Duration,
    ended: Result<Granted, sign_in::Error>,
}

#[derive(Debug)]
struct Granted {
    signed_in: SignedIn,
    decoded: Option<DecodedToken>,
    signature: SignatureCheck,
    unmet: Vec<Unmet>,
}

/// Whether the token's signature was checked against the tenant's published keys.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case", tag = "signature", content = "signature_reason")]
enum SignatureCheck {
    /// It was, and it holds.
    Verified,
    /// It was not asked for.
    NotChecked(&'static str),
    /// It was, and it does not hold, or the keys could not be read.
    Failed(String),
}

impl Attempt {
    /// Judges what a sign-in brought.
    pub(crate) async fn new(
        http: &http::Client,
        tenant: TenantId,
        ended: Result<SignedIn, sign_in::Error>,
        took: time::Duration,
        expectations: &[Expectation],
    ) -> Self {
        let ended = match ended {
            Ok(signed_in) => Ok(Granted::judge(http, &tenant, signed_in, expectations).await),
            Err(error) => Err(error),
        };
        Self { tenant, took, ended }
    }

    fn is_met(&self) -> bool {
        self.ended
            .as_ref()
            .is_ok_and(|granted| granted.unmet.is_empty() && !matches!(granted.signature, SignatureCheck::Failed(_)))
    }

    fn code(&self) -> Option<u32> {
        self.ended.as_ref().err()?.refusal().and_then(entra::Error::aadsts)
    }

    fn json(&self) -> Value {
        let took = u64::try_from(self.took.whole_milliseconds()).unwrap_or(0);
        match &self.ended {
            Ok(granted) => {
                let token = &granted.signed_in.token;
                let claims = granted.decoded.as_ref().map(|decoded| decoded.claims.clone());
                let mut value = json!({
                    "tenant": self.tenant, "result": "token", "duration_ms": took,
                    "expires_at": token.expires_at.format(&Rfc3339).ok(),
                    "key_id": granted.signed_in.key,
                    "assertion_header": granted.signed_in.assertion.as_ref().map(|a| a.compact().input().header()),
                    "request_id": token.request_id, "correlation_id": token.correlation_id,
                    "claims": claims, "unmet": granted.unmet,
                });
                merge(&mut value, &granted.signature);
                value
            }
            Err(error) => json!({
                "tenant": self.tenant, "result": "refused", "duration_ms": took,
                "code": self.code().map(|code| format!("AADSTS{code}")),
                "message": crate::domain::Chain(error).to_string(),
                "hint": error.refusal().and_then(entra::Error::hint),
            }),
        }
    }
}

impl Granted {
    async fn judge(http: &http::Client, tenant: &TenantId, signed_in: SignedIn, expectations: &[Expectation]) -> Self {
        let text = &signed_in.token.access_token;
        let decoded = DecodedToken::decode(text).ok();
        let signature = signature(http, tenant, text, decoded.as_ref(), !expectations.is_empty()).await;
        let unmet = match &decoded {
            Some(decoded) => expectations.iter().filter_map(|expected| expected.check(decoded)).collect(),
            None => expectations.iter().filter_map(|expected| expected.check(&opaque())).collect(),
        };
        Self { signed_in, decoded, signature, unmet }
    }
}

/// A token that is no JWT has no claims that could fit anything.
fn opaque() -> DecodedToken {
    DecodedToken { header: Map::new(), claims: Map::new() }
}

async fn signature(
    http: &http::Client,
    tenant: &TenantId,
    token: &Secret<String>,
    decoded: Option<&DecodedToken>,
    is_wanted: bool,
) -> SignatureCheck {
    let Some(decoded) = decoded else {
        return SignatureCheck::NotChecked("the token is opaque");
    };
    // Graph hashes a nonce into the header before it checks; nobody else can verify such a token.
    if decoded.header.contains_key("nonce") {
        return SignatureCheck::NotChecked("only its resource can verify this token: its header has a nonce");
    }
    if !is_wanted {
        return SignatureCheck::NotChecked("no expectation was given");
    }
    match entra::verify(http, tenant, token).await {
        Ok(_) => SignatureCheck::Verified,
        Err(error) => SignatureCheck::Failed(crate::domain::Chain(&error).to_string()),
    }
}

/// Writes all attempts, and decides how the command ends.
pub(crate) fn write(
    context: &Context,
    format: Option<TokenFormat>,
    attempts: Vec<Attempt>,
    expected_error: Option<&ExpectedError>,
) -> Result<Exit, Failure> {
    if let Some(expected) = expected_error {
        return write_negative(context, attempts, expected);
    }
    if let Some(format) = format.filter(|format| format.hands_out_the_token()) {
        return hand_out(context, format, attempts);
    }
    if attempts.len() > 1 {
        return write_many(context, attempts);
    }
    let Some(attempt) = attempts.into_iter().next() else { return Ok(Exit::Ok) };
    let machine = attempt.json();
    let is_met = attempt.is_met();
    match attempt.ended {
        Err(error) => Err(error.into()),
        Ok(granted) => {
            context.print(&machine, || people(context, &attempt.tenant, &granted))?;
            if is_met { Ok(Exit::Ok) } else { Err(unmet(&granted)) }
        }
    }
}

fn unmet(granted: &Granted) -> Failure {
    let mut facts: Vec<_> = granted
        .unmet
        .iter()
        .map(|unmet| format!("{} is {}, not {}", unmet.claim, unmet.found, printable(&unmet.expected)))
        .collect();
    if let SignatureCheck::Failed(reason) = &granted.signature {
        facts.push(reason.clone());
    }
    Failure::new(Exit::Findings, format!("the token is not as expected: {}", facts.join("; ")))
}

fn write_negative(context: &Context, attempts: Vec<Attempt>, expected: &ExpectedError) -> Result<Exit, Failure> {
    let machine: Vec<_> = attempts.iter().map(Attempt::json).collect();
    for attempt in attempts {
        match (attempt.code(), attempt.ended) {
            (Some(code), _) if code == expected.0 => {}
            (_, Ok(_)) => {
                return Err(Failure::new(
                    Exit::Findings,
                    format!(
                        "tenant {} gave a token, and AADSTS{} was expected: the credential is still alive",
                        attempt.tenant, expected.0
                    ),
                ));
            }
            (Some(code), Err(_)) => {
                return Err(Failure::new(
                    Exit::Findings,
                    format!(
                        "tenant {} refused with AADSTS{code}, and AADSTS{} was expected",
                        attempt.tenant, expected.0
                    ),
                ));
            }
            // Not an answer of Entra at all: nothing is known about the credential.
            (None, Err(error)) => return Err(error.into()),
        }
    }
    context.print(&machine, || {
        format!("{} refused with AADSTS{}", context.console().paint(Tone::Good, "as expected:"), expected.0)
    })?;
    Ok(Exit::Ok)
}

fn people(context: &Context, tenant: &TenantId, granted: &Granted) -> String {
    let console = context.console();
    let mut lines = Lines::default();
    let empty = opaque();
    let token = granted.decoded.as_ref().unwrap_or(&empty);
    let text = |names: &[&str]| {
        names.iter().find_map(|name| token.text(name)).map_or("absent".to_owned(), |text| printable(&text))
    };
    lines.add("tenant", tenant.to_string());
    lines.add("audience", text(&["aud"]));
    lines.add("application", format!("{} {}", text(&["azp", "appid"]), text(&["app_displayname"])));
    lines.add("object", text(&["oid"]));
    let roles = token.list("roles");
    lines.add("roles", if roles.is_empty() { "none".to_owned() } else { printable(&roles.join(", ")) });
    let by = match token.client_authentication().as_deref() {
        Some("2") => "2 (a certificate)".to_owned(),
        Some("1") => console.paint(Tone::Bad, "1 (a shared secret)"),
        Some(other) => printable(other),
        None => "absent".to_owned(),
    };
    lines.add("azpacr", by);
    lines.add("valid until", date(granted.signed_in.token.expires_at));
    if let Some(key) = &granted.signed_in.key {
        lines.add("signed by", key.to_string());
    }
    if let Some(assertion) = &granted.signed_in.assertion {
        lines.add("assertion", Value::Object(assertion.compact().input().header().clone()).to_string());
    }
    lines.add(
        "signature",
        match &granted.signature {
            SignatureCheck::Verified => "verified against the tenant's published keys".to_owned(),
            SignatureCheck::NotChecked(reason) => format!("not checked: {reason}"),
            SignatureCheck::Failed(reason) => console.paint(Tone::Bad, reason),
        },
    );
    format!("{}\n{}", console.paint(Tone::Good, "token received"), lines.text(console))
}

#[derive(Tabled)]
struct Row {
    tenant: String,
    result: String,
    code: String,
    hint: String,
    duration: String,
}

fn write_many(context: &Context, attempts: Vec<Attempt>) -> Result<Exit, Failure> {
    let machine: Vec<_> = attempts.iter().map(Attempt::json).collect();
    context.print(&machine, || {
        let rows = attempts.iter().map(|attempt| Row {
            tenant: attempt.tenant.to_string(),
            result: match &attempt.ended {
                Ok(_) if attempt.is_met() => context.console().paint(Tone::Good, "token"),
                Ok(_) => context.console().paint(Tone::Warning, "token, not as expected"),
                Err(_) => context.console().paint(Tone::Bad, "refused"),
            },
            code: attempt.code().map(|code| format!("AADSTS{code}")).unwrap_or_default(),
            hint: match &attempt.ended {
                Ok(_) => String::new(),
                Err(error) => error
                    .refusal()
                    .and_then(entra::Error::hint)
                    .map_or_else(|| crate::domain::Chain(error).to_string(), str::to_owned),
            },
            duration: format!("{} ms", attempt.took.whole_milliseconds()),
        });
        Table::new(rows).with(Style::sharp()).to_string()
    })?;
    verdict(attempts)
}

/// How several tenants end together.
fn verdict(attempts: Vec<Attempt>) -> Result<Exit, Failure> {
    let all = attempts.len();
    let (mut failures, mut findings) = (Vec::new(), Vec::new());
    for attempt in attempts {
        let is_met = attempt.is_met();
        match attempt.ended {
            Ok(_) if is_met => {}
            Ok(granted) => findings.push(format!("tenant {}: {}", attempt.tenant, unmet(&granted))),
            Err(error) => failures.push(Failure::from(error)),
        }
    }
    if !failures.is_empty() && failures.len() == all {
        // What may pass with time must not be taken for the word of everybody.
        let cause = failures.iter().find(|failure| failure.exit() == Exit::Upstream).unwrap_or(&failures[0]);
        return Err(Failure::new(cause.exit(), format!("none of {all} tenants gave a token; {}", cause.message())));
    }
    let missing = (!failures.is_empty()).then(|| format!("{} of {all} tenants gave no token", failures.len()));
    let exit = if failures.is_empty() { Exit::Findings } else { Exit::Partial };
    match missing.into_iter().chain(findings).collect::<Vec<_>>().join("; ") {
        nothing if nothing.is_empty() => Ok(Exit::Ok),
        message => Err(Failure::new(exit, message)),
    }
}

fn hand_out(context: &Context, format: TokenFormat, attempts: Vec<Attempt>) -> Result<Exit, Failure> {
    format.check(attempts.len(), false)?;
    let Some(attempt) = attempts.into_iter().next() else { return Ok(Exit::Ok) };
    let is_met = attempt.is_met();
    let granted = attempt.ended?;
    if !is_met {
        return Err(unmet(&granted));
    }
    let token = granted.signed_in.token.access_token.expose();
    let expires_at = granted.signed_in.token.expires_at;
    let text = match format {
        TokenFormat::Raw => token.clone(),
        TokenFormat::Env => format!("ACCESS_TOKEN={token}"),
        TokenFormat::Header => format!("Authorization: Bearer {token}"),
        TokenFormat::CurlConfig => format!("header = \"Authorization: Bearer {token}\""),
        TokenFormat::KubectlExec => kubectl(token, expires_at).to_string(),
        TokenFormat::GcpExecutable => gcp(token, expires_at).to_string(),
        TokenFormat::Table | TokenFormat::Json => return Ok(Exit::Ok),
    };
    context.console().line(&text).map_err(|error| Failure::from_error(Exit::Upstream, &error))?;
    Ok(Exit::Ok)
}

/// <https://kubernetes.io/docs/reference/config-api/client-authentication.v1/>
fn kubectl(token: &str, expires_at: OffsetDateTime) -> Value {
    json!({
        "apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",
        "status": { "token": token, "expirationTimestamp": expires_at.format(&Rfc3339).ok() },
    })
}

/// <https://google.aip.dev/auth/4117>, executable-sourced credentials
fn gcp(token: &str, expires_at: OffsetDateTime) -> Value {
    json!({
        "version": 1, "success": true, "token_type": "urn:ietf:params:oauth:token-type:jwt",
        "id_token": token, "expiration_time": expires_at.unix_timestamp(),
    })
}

/// Writes an assertion that was not exchanged. With `raw` it is handed out, else its parts are shown.
pub(crate) fn write_assertion(
    context: &Context,
    format: Option<TokenFormat>,
    assertion: &ClientAssertion,
    key: &KeyUrl,
) -> Result<Exit, Failure> {
    let compact = assertion.compact();
    let failed = |error: std::io::Error| Failure::from_error(Exit::Upstream, &error);
    match format {
        Some(TokenFormat::Raw) => context.console().line(compact.text().expose()).map_err(failed)?,
        None | Some(TokenFormat::Table | TokenFormat::Json) => {
            let machine =
                json!({ "header": compact.input().header(), "claims": compact.input().claims(), "key_id": key });
            context.print(&machine, || {
                let mut lines = Lines::default();
                lines.add("header", Value::Object(compact.input().header().clone()).to_string());
                lines.add("claims", Value::Object(compact.input().claims().clone()).to_string());
                lines.add("signed by", key.to_string());
                lines.text(context.console())
            })?;
        }
        Some(other) => other.check(1, true)?,
    }
    Ok(Exit::Ok)
}

fn merge(value: &mut Value, more: &impl Serialize) {
    if let (Value::Object(members), Ok(Value::Object(more))) = (value, serde_json::to_value(more)) {
        members.extend(more);
    }
}
