//! What no command ever does, whatever it is told and whatever it is answered.

use kvops::lab::Service;
use serde_json::Value;
use serde_json::json;

use crate::support::Bench;
use crate::support::VAULT;
use crate::token::provisioned;

/// Everything that the commands can do, once.
fn work(bench: &Bench) {
    let (app, _) = provisioned(bench);
    let commands: [&[&str]; 6] = [
        &["provision", "--app", "billing", "--vault", VAULT, "--name", "second"],
        &["token", "--app", &app.app_id, "--vault", VAULT, "--name", "billing", "--expect", "azpacr=2"],
        &["token", "--app", "billing", "--vault", VAULT, "--name", "second", "--alg", "RS256"],
        &["cert", "info", "--vault", VAULT, "--name", "billing", "--app", "billing"],
        &["cert", "list", "--vault", VAULT],
        &["attach", "--app", "billing", "--vault", VAULT, "--name", "billing"],
    ];
    for arguments in commands {
        bench.kvops(arguments).ends_with(0);
    }
    bench.certificate("third", &bench.vault("GET", "/certificates/billing/policy", &Value::Null), &Value::Null);
    bench.delete("third");
    bench
        .kvops(&["provision", "--app", "billing", "--vault", VAULT, "--name", "third", "--recover", "--adopt"])
        .ends_with(0);
}

#[test]
fn no_command_asks_a_vault_for_a_secret_and_no_signature_leaves_its_version_open() {
    let bench = Bench::realistic();
    work(&bench);
    let asked = bench.asked(0, Service::KeyVault);
    assert!(asked.len() > 30, "the commands did nothing");
    assert_eq!(bench.lab().counts().secrets, 0);
    for entry in &asked {
        assert!(!entry.path.to_lowercase().contains("secret"), "{entry:?}");
        if entry.path.ends_with("/sign") {
            assert_eq!(entry.route, "/keys/{name}/{version}/sign", "{entry:?}");
        }
        assert!(entry.query.contains("api-version="), "{entry:?}");
    }
}

#[test]
fn only_the_hosts_of_the_clouds_table_are_asked() {
    let bench = Bench::tame();
    work(&bench);
    let port = bench.lab().port();
    let known = [format!("localhost:{port}"), format!("{VAULT}.vault.localhost:{port}")];
    for entry in bench.lab().requests_since(0) {
        assert!(known.contains(&entry.host), "{entry:?}");
    }
}

#[test]
fn a_link_to_another_host_is_not_followed() {
    let bench = Bench::tame();
    let (app, _) = provisioned(&bench);
    let port = bench.lab().port();
    for link in [
        "https://evil.example/next".to_owned(),
        format!("http://localhost:{port}/v1.0/applications"),
        format!("https://localhost:{}/v1.0/applications", port - 1),
        format!("https://localhost:{port}@evil.example/"),
        "//evil.example/next".to_owned(),
        // Of the same cloud, and still not the place that was asked.
        format!("https://other-kv.vault.localhost:{port}/certificates/billing/versions"),
    ] {
        for (service, path, member) in
            [("graph", "/applications", "@odata.nextLink"), ("keyvault", "/versions", "nextLink")]
        {
            let matching = json!({ "service": service, "method": "GET", "path": path });
            let page = json!({ "value": [], member: link });
            bench.fault(&json!({ "match": matching, "result": { "body": page } }));
        }
        let commands: [&[&str]; 2] = [
            &["provision", "--app", "billing", "--vault", VAULT, "--name", "b", "-o", "json"],
            &["cert", "list", "--vault", VAULT, "--name", "billing", "-o", "json"],
        ];
        for arguments in commands {
            let error = bench.kvops(arguments).ends_with(4).error();
            assert!(error["message"].as_str().unwrap().contains("sent us on to"), "{link}: {error}");
        }
        bench.no_faults();
    }
    let strangers = bench.lab().requests_since(0).into_iter().filter(|entry| entry.host.starts_with("other-kv"));
    assert_eq!(strangers.count(), 0, "a link was followed to another vault");
    // A redirection is a link too.
    let away = json!({ "status": 307, "headers": { "Location": "https://evil.example/" } });
    bench.fault(&json!({ "match": { "path": "/sign" }, "result": away }));
    let ran = bench.kvops(&["token", "--app", &app.app_id, "--vault", VAULT, "--name", "billing", "-o", "json"]);
    assert_ne!(ran.exit, 0);
}

#[test]
fn a_challenge_that_names_a_foreign_resource_or_authority_is_not_answered() {
    let bench = Bench::tame();
    let (app, _) = provisioned(&bench);
    for challenge in [
        "Bearer authorization=\"https://login.evil.example/t\", resource=\"https://vault.localhost\"".to_owned(),
        format!(
            "Bearer authorization=\"https://localhost:{}/t\", resource=\"https://vault.evil.example\"",
            bench.lab().port()
        ),
    ] {
        let result = json!({ "status": 401, "headers": { "WWW-Authenticate": challenge } });
        bench.fault(&json!({ "match": { "service": "keyvault" }, "result": result }));
        let mark = bench.mark();
        bench.kvops(&["token", "--app", &app.app_id, "--vault", VAULT, "--name", "billing", "-o", "json"]).ends_with(3);
        let tokens = bench.asked(mark, Service::Entra).len();
        assert!(tokens <= 1, "a token was asked for on the word of a stranger");
        bench.no_faults();
    }
}

#[test]
fn a_file_that_lies_in_the_way_cannot_send_secrets_to_its_authors_hosts() {
    let mut bench = Bench::tame();
    bench.set("KVOPS_CONFIG", "");
    let mark = bench.mark();
    let list = ["cert", "list", "--vault", VAULT, "-o", "json"];
    let error = bench.kvops(&list).ends_with(2).error();
    assert!(error["message"].as_str().unwrap().contains("--cloud lab"), "{error}");
    assert_eq!(bench.mark(), mark, "something was sent");
    // Somebody's own choice is obeyed, and said aloud even then.
    let ran = bench.kvops(&[&list[..], &["--cloud", "lab", "--quiet"]].concat()).ends_with(0);
    assert!(ran.stderr.contains("kvops.toml"), "{ran:?}");
}

#[test]
fn a_cloud_is_its_table_and_nothing_else() {
    let mut bench = Bench::tame();
    // The same services under another name, given on the command line and in another file.
    let config = std::fs::read_to_string(bench.file("kvops.toml")).unwrap();
    std::fs::remove_file(bench.file("kvops.toml")).unwrap();
    let config = config.replace("[cloud.lab]", "[cloud.contoso]").replace("cloud = \"lab\"", "");
    std::fs::write(bench.file("elsewhere.toml"), config).unwrap();
    bench.application("billing");
    let arguments = ["provision", "--app", "billing", "--vault", VAULT, "--name", "billing", "-o", "json"];
    let table = ["--cloud", "contoso", "--config", "elsewhere.toml"];
    bench.kvops(&[&arguments[..], &table].concat()).ends_with(0);
    // Without its root nobody is believed.
    let config = std::fs::read_to_string(bench.file("elsewhere.toml")).unwrap().replace("ca = \"ca.pem\"\n", "");
    std::fs::write(bench.file("elsewhere.toml"), config).unwrap();
    let mark = bench.mark();
    bench.kvops(&[&arguments[..], &table].concat()).ends_with(4);
    assert_eq!(bench.mark(), mark);
    bench.set("KVOPS_CA", "ca.pem");
    bench.kvops(&[&arguments[..], &table].concat()).ends_with(0);
}
