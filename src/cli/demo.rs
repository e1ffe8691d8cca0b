//! `kvops demo`: the main job on a lab in this process, told step by step. It ends well only if
//! every step did what it says.

mod audit;
mod rotate;

use std::sync::Arc;

use super::console::{Console, Tone};
use super::exit::Exit;
use super::failure::Failure;
use super::global::Global;
use super::interrupt::Interrupt;
use super::view::{self, Lines};
use crate::domain::{Application, CertificateName, Clock, Environment, IssuerName, TenantId, Vault, printable};
use crate::entra::Tokens;
use crate::entra::credential::{Choice, Setup, Source, ToolExecutor, credential};
use crate::graph;
use crate::http::{self, TokenSource};
use crate::keyvault;
use crate::lab::{Behaviour, Lab, LabOptions};
use crate::pki::DecodedToken;
use crate::provision::plan::Choices;
use crate::provision::spec::{self, CertificateSpec, KeySpec};
use crate::provision::{CertificateFacts, Journal, Provisioner, Report, Services, SignIn, Watcher, Wish};
use crate::sign_in;

/// The application that the story is about: it signs in with a shared secret.
const APP: &str = "billing-api";
const VAULT: &str = "contoso-kv";
/// What the story leaves behind.
const FOLDER: &str = "kvops-demo";

/// Runs `kvops demo`.
pub(crate) async fn run(global: &Global, environment: &Environment) -> Result<Exit, Failure> {
    // People read it, on a terminal or in a file.
    let console = Console::new(Some(super::console::Format::Table), global.no_color, global.quiet, environment);
    let stage = Stage::set(console).await?;
    stage.audit_all().await?;
    let application = stage.what_is_wrong().await?;
    let report = stage.provision(&application).await?;
    stage.the_certificate(&report)?;
    stage.the_theft(&report)?;
    stage.the_token(&application, &report).await?;
    stage.rotate(&application).await?;
    stage.the_evidence().await?;
    stage.audit_again(application.id).await?;
    stage.the_end()?;
    Ok(Exit::Ok)
}

/// The lab and the clients that work on it.
struct Stage {
    console: Console,
    lab: Lab,
    http: http::Client,
    vault: keyvault::Client,
    graph: graph::Client,
    tenant: TenantId,
    tokens: Arc<dyn TokenSource>,
}

impl Stage {
    async fn set(console: Console) -> Result<Self, Failure> {
        let scene = Scene { console };
        scene.title(1, "A tenant and two vaults, on this machine")?;
        let options = LabOptions { behaviour: Behaviour::Realistic, ..LabOptions::default() };
        let lab = Lab::start(options).await.map_err(|error| Failure::from_error(Exit::Upstream, &error))?;
        let variables: Environment = lab.env().into_iter().collect();
        let known = |name: &str| {
            let missing = || Failure::new(Exit::Upstream, format!("the lab does not say {name}"));
            variables.get(name).map(str::to_owned).ok_or_else(missing)
        };
        let tenant: TenantId =
            known("LAB_TENANT")?.parse().map_err(|error| Failure::from_error(Exit::Upstream, &error))?;
        let clock: Arc<dyn Clock> = Arc::new(lab.clock());
        let http =
            http::Client::new(&lab.cloud(), http::Options { clock: Arc::clone(&clock), ..http::Options::default() })
                .map_err(|error| Failure::from_error(Exit::Upstream, &error))?;
        let identity = [
            ("AZURE_TENANT_ID", known("LAB_TENANT")?),
            ("AZURE_CLIENT_ID", known("LAB_CLIENT_ID")?),
            ("AZURE_CLIENT_SECRET", known("LAB_CLIENT_SECRET")?),
        ];
        let setup = Setup {
            http: http.clone(),
            environment: identity.map(|(name, value)| (name.to_owned(), value)).into_iter().collect(),
            tenant: Some(tenant.clone()),
            managed_identity: None,
            executor: Arc::new(ToolExecutor),
        };
        let tokens: Arc<dyn TokenSource> = Tokens::new(credential(Choice::Only(Source::Environment), &setup)?, clock);
        let vault = Vault::parse(VAULT, http.cloud()).map_err(|error| Failure::from_error(Exit::Upstream, &error))?;
        scene.say(&format!(
            "A lab plays Entra, Microsoft Graph and Key Vault on https://localhost:{}. It refuses what the real ones refuse.",
            lab.port()
        ))?;
        Ok(Self {
            console,
            vault: keyvault::Client::new(&http, &tokens, vault),
            graph: graph::Client::new(&http, &tokens),
            lab,
            http,
            tenant,
            tokens,
        })
    }

    fn scene(&self) -> Scene {
        Scene { console: self.console }
    }

    async fn what_is_wrong(&self) -> Result<Application, Failure> {
        let scene = self.scene();
        scene.title(3, "What is wrong: a shared secret")?;
        let application = self.graph.find_application(APP).await?.application;
        let Some(secret) = application.password_credentials.first() else {
            return Err(broken("the application of the story has no shared secret"));
        };
        let mut lines = Lines::default();
        lines.add("application", format!("{} ({})", printable(APP), application.app_id));
        lines.add(
            "secret",
            format!(
                "\"{}\", begins with {}…",
                printable(secret.display_name.as_deref().unwrap_or_default()),
                printable(secret.hint.as_deref().unwrap_or_default()),
            ),
        );
        if let Some(end) = secret.end_date_time {
            lines.add("valid until", view::date(end));
        }
        lines.add("certificates", application.key_credentials.len().to_string());
        scene.show(&lines)?;
        scene.say("Whoever has read that secret once, in a log, a mail or a repository, is this application.")?;
        Ok(application)
    }

    async fn provision(&self, application: &Application) -> Result<Report, Failure> {
        let scene = self.scene();
        scene.title(4, "kvops provision")?;
        scene.command(&format!("kvops provision --app {APP} --vault {VAULT} --name {APP}"))?;
        let wish = Wish {
            spec: CertificateSpec {
                key: KeySpec::default(),
                subject: spec::subject(application.display_name.as_deref(), application.app_id, "contoso"),
                validity_months: 12,
                issuer: IssuerName("Self".to_owned()),
            },
            name: name()?,
            application: Some(application.id),
            choices: Choices::default(),
            snapshot: None,
        };
        let sign_in = SignIn { http: self.http.clone(), tenant: self.tenant.clone(), algorithm: None };
        let narrator = Narrator { scene: self.scene(), interrupt: Interrupt::listen() };
        let provisioner = Provisioner {
            services: Services { vault: &self.vault, graph: Some(&self.graph) },
            sign_in: &sign_in,
            watcher: &narrator,
        };
        self.begin_record()?;
        let run = self.journal()?;
        let report = provisioner.run(&wish, Journal { run: &run, http: &self.http }).await?;
        Ok(report)
    }

    /// The record of an earlier story is not continued.
    fn begin_record(&self) -> Result<(), Failure> {
        let path = rotate::ledger_path();
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Failure::new(Exit::Usage, format!("{}: {error}", path.display())))
            }
            _ => Ok(()),
        }
    }

    fn the_certificate(&self, report: &Report) -> Result<(), Failure> {
        let scene = self.scene();
        scene.title(5, "The certificate as it is")?;
        scene.command(&format!("kvops cert info --vault {VAULT} --name {APP}"))?;
        let facts = facts(report)?;
        if facts.exportable != Some(false) || facts.key_operations != ["sign", "verify"] {
            return Err(broken("the certificate is not hardened"));
        }
        let mut lines = Lines::default();
        view::certificate_lines(&mut lines, self.console, facts);
        scene.show(&lines)
    }

    fn the_theft(&self, report: &Report) -> Result<(), Failure> {
        let scene = self.scene();
        scene.title(6, "Somebody with every right on the vault tries to take the key")?;
        let facts = facts(report)?;
        scene.command(&format!("curl https://{VAULT}.vault.localhost:{}/secrets/{APP}/", self.lab.port()))?;
        let loot = self.lab.steal(VAULT, APP).map_err(|error| Failure::from_error(Exit::Upstream, &error))?;
        let mut lines = Lines::default();
        lines.add("answer", format!("{} {}", loot.status, loot.content_type));
        lines.add("certificates", format!("{} (public: it is on the application anyway)", loot.certificates));
        lines.add("private keys", self.console.paint(Tone::Good, &loot.private_keys.to_string()));
        scene.show(&lines)?;
        if loot.status != 200 || loot.certificates != 1 || loot.private_keys != 0 {
            return Err(broken("the vault did not give out the certificate alone"));
        }
        scene.say(&format!("The {} key of this version stays where it was made. There is nothing to leak.", facts.key))
    }

    async fn the_token(&self, application: &Application, report: &Report) -> Result<(), Failure> {
        let scene = self.scene();
        scene.title(7, "And yet the application signs in")?;
        scene.command(&format!(
            "kvops token --app {} --vault {VAULT} --name {APP} --expect azpacr=2",
            application.app_id
        ))?;
        let key = sign_in::VaultCertificate::new(&self.vault, name()?, None);
        let options = crate::entra::MintOptions::default();
        let application =
            sign_in::Application::new(&self.http, Arc::new(key), self.tenant.clone(), application.app_id, options);
        let signed_in = application.sign_in(&format!("{}.default", self.http.cloud().graph())).await?;
        let token = DecodedToken::decode(&signed_in.token.access_token)?;
        let azpacr = token.client_authentication().unwrap_or_default();
        let header = signed_in.assertion.as_ref().map(|assertion| assertion.compact().input().header().clone());
        let Some(header) = header.filter(|_| azpacr == "2") else {
            return Err(broken("the token was not given for a certificate"));
        };
        if header.get("x5t#S256").and_then(serde_json::Value::as_str) != Some(facts(report)?.x5t_s256.as_str()) {
            return Err(broken("the assertion does not name the new certificate"));
        }
        let mut lines = Lines::default();
        lines.add("assertion header", serde_json::Value::Object(header).to_string());
        lines.add("audience", printable(&token.text("aud").unwrap_or_default()));
        lines.add("azpacr", format!("{} (1 would be a secret)", self.console.paint(Tone::Good, &azpacr)));
        lines.add("valid until", view::date(signed_in.token.expires_at));
        scene.show(&lines)?;
        scene.say("The vault signed the assertion with the named version. No file, no secret, no copy.")
    }

    fn the_end(&self) -> Result<(), Failure> {
        let counts = self.lab.counts();
        let scene = self.scene();
        scene.title(12, "What that took")?;
        let mut lines = Lines::default();
        lines.add("requests", counts.total.to_string());
        lines.add("writes", counts.writes.to_string());
        lines.add("signatures", counts.sign.to_string());
        scene.show(&lines)?;
        scene.say("Try it yourself: kvops lab exec -- kvops provision --app billing-api --vault contoso-kv --name billing-api")
    }
}

fn name() -> Result<CertificateName, Failure> {
    APP.parse().map_err(|error| Failure::from_error(Exit::Upstream, &error))
}

fn facts(report: &Report) -> Result<&CertificateFacts, Failure> {
    report.certificate.as_ref().ok_or_else(|| broken("nothing was provisioned"))
}

/// A step that did not do what it says.
fn broken(what: &str) -> Failure {
    Failure::new(Exit::Findings, format!("the demonstration failed: {what}"))
}

/// Writes the story to standard output.
#[derive(Clone, Copy, Debug)]
struct Scene {
    console: Console,
}

impl Scene {
    fn title(self, number: u32, text: &str) -> Result<(), Failure> {
        self.line(&format!("\n{}", self.console.paint(Tone::Strong, &format!("{number}. {text}"))))
    }

    fn command(self, text: &str) -> Result<(), Failure> {
        self.line(&self.console.paint(Tone::Faint, &format!("  $ {text}")))
    }

    fn say(self, text: &str) -> Result<(), Failure> {
        self.line(&format!("  {text}"))
    }

    fn show(self, lines: &Lines) -> Result<(), Failure> {
        self.line(&lines.text(self.console))
    }

    fn line(self, text: &str) -> Result<(), Failure> {
        self.console.line(text).map_err(|error| Failure::from_error(Exit::Upstream, &error))
    }
}

/// Tells each step of the run that is done.
#[derive(Debug)]
struct Narrator {
    scene: Scene,
    interrupt: Interrupt,
}

impl Watcher for Narrator {
    fn doing(&self, _what: &str) {}

    fn done(&self, what: &str) {
        // A story that nobody reads any more goes on to its end all the same.
        let _ = self.scene.say(&format!("{} {what}", self.scene.console.paint(Tone::Good, "✓")));
    }

    fn is_interrupted(&self) -> bool {
        self.interrupt.is_set()
    }
}
