//! Which source is taken, and which is not.

use std::ffi::OsStr;
use std::io;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{ExitStatus, Output};
use std::sync::Mutex;

use super::*;
use crate::domain::{Chain as Causes, Cloud};
use crate::http::Options;

/// Stands in for the shell: answers `az`, or has nothing installed.
#[derive(Debug, Default)]
struct Shell {
    answer: Option<&'static str>,
    /// What it says in place of an answer, and ends with 1.
    refusal: Option<&'static str>,
    asked: Mutex<Vec<String>>,
}

#[async_trait]
impl Executor for Shell {
    async fn run(&self, program: &OsStr, args: &[&OsStr]) -> io::Result<Output> {
        let line = args
            .iter()
            .fold(program.to_string_lossy().into_owned(), |line, arg| format!("{line} {}", arg.to_string_lossy()));
        self.asked.lock().unwrap().push(line);
        if let Some(refusal) = self.refusal {
            let status = ExitStatus::from_raw(1 << 8);
            return Ok(Output { status, stdout: Vec::new(), stderr: refusal.into() });
        }
        let (code, stdout) = self.answer.map_or((127 << 8, ""), |answer| (0, answer));
        let status = ExitStatus::from_raw(code);
        Ok(Output { status, stdout: stdout.into(), stderr: b"az: command not found".to_vec() })
    }
}

fn setup(variables: &[(&str, &str)], shell: Arc<Shell>) -> Setup {
    // Nobody listens on the discard port of loopback.
    let mut environment: Environment =
        [("AZURE_POD_IDENTITY_AUTHORITY_HOST".to_owned(), "http://127.0.0.1:9".to_owned())].into_iter().collect();
    environment.extend(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    Setup {
        http: http::Client::new(&Cloud::public(), Options::default()).unwrap(),
        environment,
        tenant: None,
        managed_identity: None,
        executor: shell,
    }
}

const APP: &str = "11111111-2222-3333-4444-555555555555";
const TENANT: &str = "7b0b8a3e-7d2e-4c3f-9d4b-1c9d7d3e2f10";

fn request() -> TokenRequest {
    TokenRequest::for_resource("https://graph.microsoft.com")
}

#[tokio::test]
async fn without_any_identity_every_source_says_why() {
    let chosen = credential(Choice::Auto, &setup(&[], Arc::default())).unwrap();
    let error = chosen.token(&request()).await.unwrap_err();
    let Error::NoIdentity { tried } = &error else { panic!("{error}") };
    let names: Vec<_> = tried.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["env", "wif", "pipelines", "github", "mi", "cli", "azd"]);
    assert!(tried.iter().all(|(_, said)| !said.is_empty()), "{error}");
}

#[tokio::test]
async fn the_automatic_choice_takes_the_cli_and_sticks_to_it() {
    let answer = r#"{"accessToken":"t","expires_on":4102444800,"tokenType":"Bearer"}"#;
    let shell = Arc::new(Shell { answer: Some(answer), ..Shell::default() });
    let chosen = credential(Choice::Auto, &setup(&[], Arc::clone(&shell))).unwrap();
    for _ in 0..2 {
        let token = chosen.token(&request()).await.unwrap();
        assert_eq!(token.access_token.expose(), "t");
    }
    assert_eq!(chosen.name(), "cli");
    let asked = shell.asked.lock().unwrap();
    assert_eq!(asked.len(), 2, "{asked:?}");
    assert!(
        asked[0].contains("az account get-access-token") && asked[0].contains("https://graph.microsoft.com/.default")
    );
}

#[test]
fn an_explicit_choice_never_falls_through() {
    let answer = r#"{"accessToken":"t","expires_on":4102444800,"tokenType":"Bearer"}"#;
    let shell = Arc::new(Shell { answer: Some(answer), ..Shell::default() });
    let error = credential("env".parse().unwrap(), &setup(&[], Arc::clone(&shell))).unwrap_err();
    assert!(matches!(error, Error::NotConfigured { credential: "env", .. }), "{error}");
    assert!(shell.asked.lock().unwrap().is_empty());
}

#[test]
fn half_an_application_is_named_by_what_it_lacks() {
    let half = setup(&[("AZURE_CLIENT_SECRET", "s"), ("AZURE_CLIENT_ID", APP)], Arc::default());
    let error = credential("env".parse().unwrap(), &half).unwrap_err();
    assert_eq!(error.to_string(), "credential `env`: AZURE_TENANT_ID is not set, although AZURE_CLIENT_SECRET is");
    let bad =
        setup(&[("AZURE_CLIENT_SECRET", "s"), ("AZURE_CLIENT_ID", "x"), ("AZURE_TENANT_ID", TENANT)], Arc::default());
    let error = credential("env".parse().unwrap(), &bad).unwrap_err();
    assert!(error.to_string().starts_with("credential `env`: AZURE_CLIENT_ID: `x` is not an application"), "{error}");
}

#[tokio::test]
async fn a_source_that_is_configured_and_broken_ends_the_search() {
    let answer = r#"{"accessToken":"t","expires_on":4102444800,"tokenType":"Bearer"}"#;
    let shell = Arc::new(Shell { answer: Some(answer), ..Shell::default() });
    let variables = [
        ("AZURE_CLIENT_CERTIFICATE_PATH", "/nonexistent/key.pem"),
        ("AZURE_CLIENT_ID", APP),
        ("AZURE_TENANT_ID", TENANT),
    ];
    let chosen = credential(Choice::Auto, &setup(&variables, Arc::clone(&shell))).unwrap();
    let error = chosen.token(&request()).await.unwrap_err();
    assert!(matches!(error, Error::File { credential: "env", .. }), "{}", Causes(&error));
    assert!(shell.asked.lock().unwrap().is_empty(), "another identity was asked");
}

#[tokio::test]
async fn half_an_application_ends_the_automatic_choice() {
    let answer = r#"{"accessToken":"t","expires_on":4102444800,"tokenType":"Bearer"}"#;
    for proof in ["AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_FEDERATED_TOKEN_FILE"] {
        let shell = Arc::new(Shell { answer: Some(answer), ..Shell::default() });
        let half = setup(&[(proof, "s"), ("AZURE_CLIENT_ID", APP)], Arc::clone(&shell));
        let error = credential(Choice::Auto, &half).unwrap().token(&request()).await.unwrap_err();
        assert!(error.to_string().contains("AZURE_TENANT_ID is not set"), "{error}");
        assert!(shell.asked.lock().unwrap().is_empty(), "another identity was asked");
    }
    // A client id alone names a managed identity, and is no half of anything.
    let only_id = setup(&[("AZURE_CLIENT_ID", APP)], Arc::default());
    let error = credential(Choice::Auto, &only_id).unwrap().token(&request()).await.unwrap_err();
    assert!(matches!(error, Error::NoIdentity { .. }), "{error}");
}

#[tokio::test]
async fn a_tool_that_has_an_identity_and_fails_ends_the_automatic_choice() {
    let mfa = "ERROR: AADSTS50076: you must use multi-factor authentication. Please run: az login";
    for refusal in [mfa, "ERROR: The connection timed out", "az: segmentation fault"] {
        let shell = Arc::new(Shell { refusal: Some(refusal), ..Shell::default() });
        let chosen = credential(Choice::Auto, &setup(&[], Arc::clone(&shell))).unwrap();
        let error = chosen.token(&request()).await.unwrap_err();
        assert!(matches!(error, Error::Tool { credential: "cli", .. }), "{error}");
        assert_eq!(shell.asked.lock().unwrap().len(), 1, "azd was asked for another identity");
    }
}

#[tokio::test]
async fn a_tool_where_nobody_is_signed_in_is_passed_over() {
    for refusal in
        ["ERROR: Please run 'az login' to setup account.", "ERROR: not logged in, run `azd auth login` to login"]
    {
        let shell = Arc::new(Shell { refusal: Some(refusal), ..Shell::default() });
        let error =
            credential("cli".parse().unwrap(), &setup(&[], shell)).unwrap().token(&request()).await.unwrap_err();
        assert!(matches!(error, Error::NotAvailable { credential: "cli", .. }), "{error}");
    }
}

#[tokio::test]
async fn a_tool_cannot_answer_a_claims_challenge() {
    let chosen = credential("cli".parse().unwrap(), &setup(&[], Arc::default())).unwrap();
    let with_claims = TokenRequest { claims: Some("{}".to_owned()), ..request() };
    let error = chosen.token(&with_claims).await.unwrap_err();
    assert!(matches!(error, Error::ClaimsUnsupported { credential: "cli" }));
}

#[test]
fn secrets_of_the_environment_are_in_no_debug_output() {
    let canary = "canary-secret-value";
    let variables = [
        ("AZURE_CLIENT_SECRET", canary),
        ("AZURE_CLIENT_ID", APP),
        ("AZURE_TENANT_ID", TENANT),
        ("ACTIONS_ID_TOKEN_REQUEST_URL", "https://token.actions.example/x"),
        ("ACTIONS_ID_TOKEN_REQUEST_TOKEN", canary),
        ("IDENTITY_ENDPOINT", "http://127.0.0.1:9/"),
        ("IDENTITY_HEADER", canary),
        ("SYSTEM_OIDCREQUESTURI", "https://dev.azure.example/x"),
        ("SYSTEM_ACCESSTOKEN", canary),
        ("AZURESUBSCRIPTION_SERVICE_CONNECTION_ID", "c"),
        ("AZURESUBSCRIPTION_CLIENT_ID", APP),
        ("AZURESUBSCRIPTION_TENANT_ID", TENANT),
    ];
    let setup = setup(&variables, Arc::default());
    for choice in ["auto", "env", "github", "mi", "pipelines"] {
        let chosen = credential(choice.parse().unwrap(), &setup).unwrap();
        assert!(!format!("{chosen:?} {}", chosen.description()).contains(canary), "{choice}");
    }
}

#[test]
fn names_of_choices_are_what_help_says() {
    for source in Source::ALL {
        assert_eq!(source.info().name.parse::<Choice>(), Ok(Choice::Only(*source)));
    }
    assert_eq!("auto".parse::<Choice>(), Ok(Choice::Auto));
    assert!("AUTO".parse::<Choice>().unwrap_err().starts_with("`AUTO` is not a credential: auto, env, wif"));
}
