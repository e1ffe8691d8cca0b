//! The program against a lab: a clean environment, a lab of its own, everything that it printed.

mod collector;
mod killing;
mod proxy;
mod rights;
mod running;
mod served;
mod vault;
mod world;

pub(crate) use self::collector::assert_same;
pub(crate) use self::collector::shown;
pub(crate) use self::killing::Moment;
pub(crate) use self::proxy::Manner;
pub(crate) use self::proxy::Proxy;
pub(crate) use self::rights::Identity;
pub(crate) use self::running::until;
pub(crate) use self::served::Answer;
pub(crate) use self::served::Manners;
pub(crate) use self::served::Served;
pub(crate) use self::served::for_certificate;
pub(crate) use self::vault::VAULT;
pub(crate) use self::vault::hardened;

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::process::Output;

use bytes::Bytes;
use kvops::lab::Behaviour;
use kvops::lab::Lab;
use kvops::lab::LabOptions;
use kvops::lab::Seed;
use serde_json::Value;
use serde_json::json;
use tempfile::TempDir;

/// A lab, and a home for the program.
pub(crate) struct Bench {
    lab: Lab,
    home: TempDir,
    variables: Vec<(String, String)>,
}

/// How the program ended, and what it said.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) exit: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Bench {
    /// A lab without delays.
    pub(crate) fn tame() -> Self {
        Self::with(LabOptions { seed: Seed::Empty, ..LabOptions::default() })
    }

    /// A lab with the delays of the real services, in its own time.
    pub(crate) fn realistic() -> Self {
        Self::with(LabOptions { behaviour: Behaviour::Realistic, seed: Seed::Empty, ..LabOptions::default() })
    }

    /// A lab of any kind. Its keys come from a folder below `target`, so that no test waits for primes.
    pub(crate) fn with(options: LabOptions) -> Self {
        let keys = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("target/lab-keys");
        let lab = Lab::start_blocking(LabOptions { keys: Some(keys), random: Some(1), ..options }).unwrap();
        let home = tempfile::tempdir().unwrap();
        let variables: std::collections::BTreeMap<_, _> = lab.env().into_iter().collect();
        let origin = format!("https://localhost:{}", lab.port());
        fs::write(home.path().join("ca.pem"), lab.ca_pem()).unwrap();
        let config = format!(
            "[defaults]\ncloud = \"lab\"\n\n[cloud.lab]\nauthority = \"{origin}\"\ngraph = \"{origin}\"\narm = \"{origin}\"\n\
             vault_suffix = \"vault.localhost:{}\"\nca = \"ca.pem\"\n\
             resolve = {{ \"*.vault.localhost\" = \"127.0.0.1\", localhost = \"127.0.0.1\" }}\n",
            lab.port()
        );
        fs::write(home.path().join("kvops.toml"), config).unwrap();
        let variables = [
            ("KVOPS_TENANT", variables["LAB_TENANT"].clone()),
            ("KVOPS_CREDENTIAL", "env".to_owned()),
            ("KVOPS_CONFIG", home.path().join("kvops.toml").display().to_string()),
            ("KVOPS_CLOCK", lab.control_url()),
            ("AZURE_TENANT_ID", variables["LAB_TENANT"].clone()),
            ("AZURE_CLIENT_ID", variables["LAB_CLIENT_ID"].clone()),
            ("AZURE_CLIENT_SECRET", variables["LAB_CLIENT_SECRET"].clone()),
        ];
        let variables = variables.map(|(name, value)| (name.to_owned(), value)).into();
        Self { lab, home, variables }
    }

    pub(crate) fn lab(&self) -> &Lab {
        &self.lab
    }

    /// A file in the program's home.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Sets, or with an empty value unsets, a variable of the program.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.variables.retain(|(known, _)| known != name);
        if !value.is_empty() {
            self.variables.push((name.to_owned(), value.to_owned()));
        }
    }

    /// The program with its environment, not started.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kvops"));
        command.env_clear().env("HOME", self.home.path()).envs(self.variables.iter().cloned());
        command.current_dir(self.home.path()).args(arguments);
        command
    }

    /// Runs the program to its end.
    pub(crate) fn kvops(&self, arguments: &[&str]) -> Ran {
        let ran = Ran::from(self.command(arguments).output().unwrap());
        ran.show(arguments);
        ran
    }

    /// A request to the lab's Graph in the operator's name, without the program.
    pub(crate) fn graph(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.try_graph(method, path, body);
        assert!((200..300).contains(&status), "{method} {path}: {status} {answer}");
        answer
    }

    /// The same, whatever comes of it.
    pub(crate) fn try_graph(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let token = self.token_for(&format!("https://localhost:{}", self.lab.port()));
        let body = if body.is_null() { Bytes::new() } else { body.to_string().into() };
        let request = http::Request::builder()
            .method(method)
            .uri(format!("https://localhost:{}{path}", self.lab.port()))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json");
        let answer = self.lab.call(request.body(body).unwrap()).unwrap();
        (answer.status().as_u16(), serde_json::from_slice(answer.body()).unwrap_or_default())
    }

    /// A token of the operator for a resource, without the program.
    pub(crate) fn token_for(&self, resource: &str) -> String {
        let variables: std::collections::BTreeMap<_, _> = self.lab.env().into_iter().collect();
        let origin = format!("https://localhost:{}", self.lab.port());
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("client_id", &variables["LAB_CLIENT_ID"])
            .append_pair("client_secret", &variables["LAB_CLIENT_SECRET"])
            .append_pair("scope", &format!("{resource}/.default"))
            .finish();
        let request = http::Request::post(format!("{origin}/{}/oauth2/v2.0/token", variables["LAB_TENANT"]))
            .header("content-type", "application/x-www-form-urlencoded");
        let answer = self.lab.call(request.body(form.into()).unwrap()).unwrap();
        let answer: Value = serde_json::from_slice(answer.body()).unwrap();
        answer["access_token"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// Registers an application with a service principal, through the lab's own Graph.
    pub(crate) fn application(&self, name: &str) -> App {
        let graph =
            self.graph("POST", "/v1.0/applications", &json!({ "displayName": name, "signInAudience": "AzureADMyOrg" }));
        let text = |member: &str| graph[member].as_str().unwrap().to_owned();
        let app = App { id: text("id"), app_id: text("appId") };
        self.graph("POST", "/v1.0/servicePrincipals", &json!({ "appId": app.app_id }));
        // Until every replica knows it.
        self.lab.clock().advance(time::Duration::minutes(10));
        app
    }

    /// The key credentials of an application, as the directory has them now.
    pub(crate) fn keys_of(&self, app: &App) -> Vec<Value> {
        let read = self.graph("GET", &format!("/v1.0/applications/{}?$select=keyCredentials", app.id), &Value::Null);
        read["keyCredentials"].as_array().unwrap().clone()
    }
}

/// How many files this process may have open, once it has asked for as many as it can have.
#[cfg(unix)]
pub(crate) fn most_files() -> usize {
    use rustix::process::Resource;

    let mut limit = rustix::process::getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    rustix::process::setrlimit(Resource::Nofile, limit).unwrap();
    usize::try_from(limit.maximum.unwrap_or(1 << 20)).unwrap()
}

/// A registered application.
#[derive(Clone, Debug)]
pub(crate) struct App {
    pub(crate) id: String,
    pub(crate) app_id: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            exit: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

impl Ran {
    /// For the reader of a test that fails: the harness keeps it back otherwise.
    #[expect(clippy::print_stdout, reason = "captured by the test harness")]
    fn show(&self, arguments: &[&str]) {
        println!("$ kvops {}\n{}{}[{}]\n", arguments.join(" "), self.stdout, self.stderr, self.exit);
    }

    /// Standard output as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}\n{self:?}"))
    }

    /// The error block of `--output json`.
    pub(crate) fn error(&self) -> Value {
        let line =
            self.stderr.lines().rfind(|line| line.starts_with("{\"error\"")).unwrap_or_else(|| panic!("{self:?}"));
        serde_json::from_str::<Value>(line).unwrap()["error"].clone()
    }

    /// Fails the test, with everything that was said, unless the exit code is this.
    #[track_caller]
    pub(crate) fn ends_with(self, exit: i32) -> Self {
        assert_eq!(self.exit, exit, "\n--- stdout\n{}\n--- stderr\n{}", self.stdout, self.stderr);
        self
    }
}
