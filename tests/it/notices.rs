//! Rotations that begin with a mail or an event: what is true is rotated, and nothing else is written.

use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use kvops::lab::Service;
use serde_json::Value;
use serde_json::json;
use time::Duration;

use crate::support::App;
use crate::support::Bench;
use crate::support::Ran;
use crate::support::VAULT;

/// What the mails in `tests/notices` say, in place of which the lab's own facts are put.
const THUMBPRINT: &str = "4D3C2B1A00F1E2D3C4B5A69788796A5B4C3D2E1F";
const NEW_THUMBPRINT: &str = "A1B2C3D4E5F60718293A4B5C6D7E8F9001122334";
const SUBSCRIPTION: &str = "8fb6b6a1-2c3d-4e5f-8a9b-0c1d2e3f4a5b";

/// A certificate of an application, 20 days before its end.
fn near_expiry() -> (Bench, App) {
    let bench = Bench::tame();
    let app = bench.application("billing");
    bench.kvops(&["provision", "--app", "billing", "--vault", VAULT, "--name", "billing"]).ends_with(0);
    bench.lab().clock().advance(Duration::days(345));
    (bench, app)
}

fn thumbprint(bench: &Bench, version: usize) -> String {
    let mut versions = bench.kvops(&["cert", "list", "--vault", VAULT, "--name", "billing"]).json();
    let versions = versions.as_array_mut().unwrap();
    versions.sort_by_key(|listed| listed["attributes"]["created"].as_str().unwrap().to_owned());
    versions[version]["thumbprint"].as_str().unwrap().to_owned()
}

/// The subscription of the lab's vaults.
fn subscription(bench: &Bench) -> String {
    let listed = bench.graph("GET", "/subscriptions?api-version=2022-12-01", &Value::Null);
    listed["value"][0]["subscriptionId"].as_str().unwrap().to_owned()
}

fn fixtures(folder: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/notices").join(folder);
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let mut mails: Vec<_> =
        entries.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect();
    mails.sort();
    mails
}

/// A mail with the lab's facts in it, whatever its encoding.
struct Filled(Vec<(String, String)>);

impl Filled {
    fn of(bench: &Bench) -> Self {
        let subscription = subscription(bench);
        let mut facts = vec![(SUBSCRIPTION.to_owned(), subscription)];
        let spaced = |hex: &str| {
            let pairs: Vec<&str> = (0..20).map(|at| &hex[at * 2..at * 2 + 2]).collect();
            pairs.join(" ").to_lowercase()
        };
        let real = thumbprint(bench, 0);
        // A quoted-printable mail may break it anywhere.
        facts.extend((1..40).map(|at| (format!("{}=\n{}", &THUMBPRINT[..at], &THUMBPRINT[at..]), real.clone())));
        facts.push((spaced(THUMBPRINT), spaced(&real)));
        facts.push((THUMBPRINT.to_owned(), real));
        Self(facts)
    }

    fn plain(&self, mail: &[u8]) -> Vec<u8> {
        // Byte by byte: some of the mails are in no encoding of Unicode.
        let mut mail = mail.to_vec();
        for (from, to) in &self.0 {
            while let Some(at) = mail.windows(from.len()).position(|window| window == from.as_bytes()) {
                mail.splice(at..at + from.len(), to.bytes());
            }
        }
        mail
    }

    fn mail(&self, mail: &[u8]) -> Vec<u8> {
        let Some(at) = mail.windows(5).rposition(|window| window.ends_with(b"\n\n") || window.ends_with(b"\n\r\n"))
        else {
            return self.plain(mail);
        };
        let (head, body) = mail.split_at(at + 5);
        let packed: Vec<u8> = body.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
        match STANDARD.decode(&packed) {
            Ok(text) if String::from_utf8_lossy(head).contains("base64") && !packed.is_empty() => {
                [head, STANDARD.encode(self.plain(&text)).as_bytes(), b"\n"].concat()
            }
            _ => self.plain(mail),
        }
    }
}

fn rotate_from_mail(bench: &Bench, mail: &[u8], more: &[&str]) -> Ran {
    let path = bench.file("mail.eml");
    fs::write(&path, mail).unwrap();
    let path = path.display().to_string();
    let arguments: Vec<&str> =
        ["rotate", "--from-eml", &path, "--output", "json"].into_iter().chain(more.iter().copied()).collect();
    bench.kvops(&arguments)
}

#[test]
fn every_mail_that_is_true_leads_to_the_plan_of_its_certificate_and_writes_nothing() {
    let (bench, _) = near_expiry();
    let filled = Filled::of(&bench);
    let writes = bench.lab().counts().writes;
    let mut seen = 0;
    for (file, mail) in fixtures("good") {
        // It names a second version, which is not there: see below.
        if file == "renewed.eml" {
            continue;
        }
        let ran = rotate_from_mail(&bench, &filled.mail(&mail), &["--plan"]);
        assert_eq!(ran.exit, 0, "{file}: {ran:?}");
        let plan = ran.json();
        assert_eq!((&plan["name"], plan["steps"].as_array().unwrap().is_empty()), (&json!("billing"), false), "{file}");
        assert!(ran.stderr.contains("the vault bears it out"), "{file}: {ran:?}");
        seen += 1;
    }
    assert!(seen >= 12);
    assert_eq!(bench.lab().counts().writes, writes);
}

#[test]
fn a_mail_is_rotated_on_finished_after_the_overlap_and_then_says_by_what_it_was_replaced() {
    let (bench, app) = near_expiry();
    let filled = Filled::of(&bench);
    let (_, mail) = fixtures("good").into_iter().find(|(file, _)| file == "forwarded-attached.eml").unwrap();
    let mail = filled.mail(&mail);
    let first = rotate_from_mail(&bench, &mail, &[]).ends_with(0).json();
    assert_eq!(first["outcome"], "soaking");
    assert_eq!(bench.keys_of(&app).len(), 2);

    bench.lab().clock().advance(Duration::days(15));
    let second = rotate_from_mail(&bench, &mail, &[]).ends_with(0).json();
    assert_eq!(second["outcome"], "rotated");
    assert_eq!(bench.keys_of(&app).len(), 1);

    let writes = bench.lab().counts().writes;
    let third = rotate_from_mail(&bench, &mail, &[]).ends_with(2);
    let message = third.error()["message"].as_str().unwrap().to_owned();
    assert!(message.contains("has been replaced by"), "{message}");
    assert_eq!(bench.lab().counts().writes, writes);
}

#[test]
fn a_mail_may_come_through_a_pipe() {
    let (bench, _) = near_expiry();
    let (_, mail) = fixtures("good").into_iter().find(|(file, _)| file == "renewal.eml").unwrap();
    fs::write(bench.file("mail.eml"), Filled::of(&bench).mail(&mail)).unwrap();
    let mut command = bench.command(&["rotate", "--from-eml", "-", "--plan", "--output", "json"]);
    let output = command.stdin(fs::File::open(bench.file("mail.eml")).unwrap()).output().unwrap();
    Ran::from(output).ends_with(0);
}

#[test]
fn mails_that_say_nothing_sound_are_refused_without_a_question_to_anybody() {
    let (bench, _) = near_expiry();
    let filled = Filled::of(&bench);
    let mut mails = fixtures("bad");
    mails.push(("oversized.eml".to_owned(), [mails[0].1.as_slice(), &vec![b'\n'; 1 << 20]].concat()));
    mails.push(("empty.eml".to_owned(), Vec::new()));
    assert!(mails.len() >= 12);
    for (file, mail) in mails {
        let mark = bench.mark();
        let ran = rotate_from_mail(&bench, &filled.plain(&mail), &[]);
        assert_eq!(ran.exit, 2, "{file}: {ran:?}");
        assert!(ran.error()["message"].as_str().unwrap().contains("nobody was asked anything"), "{file}: {ran:?}");
        assert_eq!(bench.routes(mark).len(), 0, "{file}: {:?}", bench.routes(mark));
    }
}

#[test]
fn mails_that_the_vault_contradicts_are_refused_and_nothing_is_written() {
    let (bench, _) = near_expiry();
    let filled = Filled::of(&bench);
    let writes = bench.lab().counts().writes;
    for (file, mail) in fixtures("forged") {
        let mark = bench.mark();
        let ran = rotate_from_mail(&bench, &filled.mail(&mail), &[]);
        assert_eq!(ran.exit, 2, "{file}: {ran:?}");
        // Who is refused by the vault's answer is not asked for in the directory.
        assert!(bench.asked(mark, Service::Graph).is_empty(), "{file}: {:?}", bench.routes(mark));
    }
    assert_eq!(bench.lab().counts().writes, writes);
    assert_eq!(bench.versions("billing").len(), 1);
}

#[test]
fn a_mail_that_nobody_would_have_written_yet_rotates_nothing() {
    let bench = Bench::tame();
    bench.application("billing");
    bench.kvops(&["provision", "--app", "billing", "--vault", VAULT, "--name", "billing"]).ends_with(0);
    let (_, mail) = fixtures("good").into_iter().find(|(file, _)| file == "expiry.eml").unwrap();
    let ran = rotate_from_mail(&bench, &Filled::of(&bench).mail(&mail), &[]).ends_with(2);
    let message = ran.error()["message"].as_str().unwrap().to_owned();
    assert!(message.contains("the vault does not write before"), "{message}");
    assert_eq!(bench.versions("billing").len(), 1);
}

#[test]
fn a_certificate_that_no_application_trusts_is_not_rotated() {
    let (bench, app) = near_expiry();
    bench.graph("PATCH", &format!("/v1.0/applications/{}", app.id), &json!({ "keyCredentials": [] }));
    bench.lab().clock().advance(Duration::minutes(10));
    let (_, mail) = fixtures("good").into_iter().find(|(file, _)| file == "expiry.eml").unwrap();
    let ran = rotate_from_mail(&bench, &Filled::of(&bench).mail(&mail), &[]).ends_with(2);
    assert!(ran.error()["message"].as_str().unwrap().contains("no application trusts"), "{ran:?}");
    assert_eq!(bench.versions("billing").len(), 1);
}

#[test]
fn a_version_that_the_vault_made_is_taken_up_by_the_mail_and_by_the_event_about_it() {
    for by_event in [false, true] {
        let (bench, app) = near_expiry();
        bench.vault("POST", "/certificates/billing/create", &json!({}));
        bench.lab().clock().advance(Duration::minutes(1));
        let ran = if by_event {
            let version = version_of(&bench, 1);
            let event = event(&bench, "1", "CertificateNewVersionCreated", &version);
            rotate_from_event(&bench, &event, &[]).ends_with(0)
        } else {
            let mut filled = Filled::of(&bench);
            filled.0.push((NEW_THUMBPRINT.to_owned(), thumbprint(&bench, 1)));
            let (_, mail) = fixtures("good").into_iter().find(|(file, _)| file == "renewed.eml").unwrap();
            rotate_from_mail(&bench, &filled.mail(&mail), &[]).ends_with(0)
        };
        assert!(ran.stderr.contains("the vault bears it out"), "{ran:?}");
        assert_eq!(bench.versions("billing").len(), 2, "no third version was made");
        assert_eq!(bench.keys_of(&app).len(), 2);
    }
}

fn version_of(bench: &Bench, index: usize) -> Value {
    let mut versions = bench.kvops(&["cert", "list", "--vault", VAULT, "--name", "billing"]).json();
    let versions = versions.as_array_mut().unwrap();
    versions.sort_by_key(|listed| listed["attributes"]["created"].as_str().unwrap().to_owned());
    versions[index].clone()
}

/// An event as Event Grid delivers it.
fn event(bench: &Bench, id: &str, kind: &str, listed: &Value) -> Value {
    let (name, version) = (listed["name"].as_str().unwrap(), listed["version"].as_str().unwrap());
    let end = time::OffsetDateTime::parse(
        listed["attributes"]["not_after"].as_str().unwrap(),
        &time::format_description::well_known::Rfc3339,
    );
    let origin = format!(
        "/subscriptions/{}/resourceGroups/lab/providers/Microsoft.KeyVault/vaults/{VAULT}",
        subscription(bench)
    );
    json!({
        "id": id, "topic": origin, "subject": name, "eventType": format!("Microsoft.KeyVault.{kind}"),
        "eventTime": "2026-11-20T06:14:09Z", "dataVersion": "1", "metadataVersion": "1",
        "data": {
            "Id": format!("https://{VAULT}.vault.localhost:{}/certificates/{name}/{version}", bench.lab().port()),
            "VaultName": VAULT, "ObjectType": "Certificate", "ObjectName": name, "Version": version,
            "NBF": 0, "EXP": end.unwrap().unix_timestamp(),
        },
    })
}

fn rotate_from_event(bench: &Bench, delivery: &Value, more: &[&str]) -> Ran {
    let path = bench.file("event.json");
    fs::write(&path, delivery.to_string()).unwrap();
    let path = path.display().to_string();
    let arguments: Vec<&str> =
        ["rotate", "--from-event", &path, "--output", "json"].into_iter().chain(more.iter().copied()).collect();
    bench.kvops(&arguments)
}

#[test]
fn several_events_lead_to_one_rotation_for_each_certificate_and_a_forged_one_to_none() {
    let (bench, billing) = near_expiry();
    let payroll = bench.application("payroll");
    bench.kvops(&["provision", "--app", "payroll", "--vault", VAULT, "--name", "payroll"]).ends_with(0);
    bench.lab().clock().advance(Duration::days(350));
    // Both have ended, or nearly: only the younger can still prove possession.
    let listed = bench.kvops(&["cert", "list", "--vault", VAULT, "--name", "payroll"]).json()[0].clone();
    let near = event(&bench, "1", "CertificateNearExpiry", &listed);
    let mut cloud_event = near.clone();
    let object = cloud_event.as_object_mut().unwrap();
    object.insert("specversion".to_owned(), json!("1.0"));
    for (from, to) in [("eventType", "type"), ("topic", "source")] {
        let value = object.remove(from).unwrap();
        object.insert(to.to_owned(), value);
    }
    object["id"] = json!("2");
    let mut forged = event(&bench, "3", "CertificateNearExpiry", &version_of(&bench, 0));
    forged["data"]["EXP"] = json!(1_700_000_000);
    let validation = json!({
        "id": "4", "topic": "", "subject": "", "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
        "data": { "validationCode": "512d38b6" },
    });
    let ran = rotate_from_event(&bench, &json!([near, near, cloud_event, validation, forged]), &[]).ends_with(5);
    let rows = ran.json();
    assert_eq!(rows.as_array().unwrap().len(), 2);
    assert_eq!((&rows[0]["certificate"], &rows[0]["outcome"]), (&json!("payroll"), &json!("rotated")));
    assert_eq!(rows[0]["events"], json!(["1", "2"]));
    assert_eq!((&rows[1]["certificate"], &rows[1]["outcome"]), (&json!("billing"), &json!("failed")));
    assert!(ran.stderr.contains("512d38b6"), "{ran:?}");
    assert_eq!((bench.keys_of(&payroll).len(), bench.keys_of(&billing).len()), (2, 1));

    // Delivered once more, after the overlap and the end of the rotation: no error, and nothing to do.
    bench.lab().clock().advance(Duration::days(14));
    bench.kvops(&["rotate", "--vault", VAULT, "--name", "payroll"]).ends_with(0);
    let writes = bench.lab().counts().writes;
    let ran = rotate_from_event(&bench, &near, &[]).ends_with(0);
    assert_eq!(ran.json()[0]["outcome"], "settled");
    assert_eq!(bench.lab().counts().writes, writes);
}

#[test]
fn deliveries_that_are_none_are_refused_without_a_question_to_anybody() {
    let (bench, _) = near_expiry();
    let good = event(&bench, "1", "CertificateNearExpiry", &version_of(&bench, 0));
    let mut elsewhere = good.clone();
    elsewhere["data"]["Id"] = json!(good["data"]["Id"].as_str().unwrap().replace(".vault.", ".vault.evil.example/"));
    let mut other_name = good.clone();
    other_name["data"]["ObjectName"] = json!("payroll");
    for delivery in [json!([]), json!("x"), json!([good, {}]), elsewhere, other_name] {
        let mark = bench.mark();
        rotate_from_event(&bench, &delivery, &[]).ends_with(2);
        assert_eq!(bench.routes(mark).len(), 0, "{delivery}");
    }
}

#[test]
fn who_may_not_look_for_applications_is_not_told_that_there_are_none() {
    let (mut bench, _) = near_expiry();
    let (_, mail) = fixtures("good").into_iter().find(|(file, _)| file == "renewal.eml").unwrap();
    let mail = Filled::of(&bench).mail(&mail);
    let identity = bench.identity("deployer");
    bench.give_role(&identity, "Key Vault Administrator");
    bench.work_as(&identity);
    let ran = rotate_from_mail(&bench, &mail, &["--plan"]).ends_with(3);
    assert!(ran.error()["hints"].to_string().contains("--app CLIENT_ID"), "{ran:?}");
    bench.give_graph(&identity, "Application.Read.All");
    rotate_from_mail(&bench, &mail, &["--plan"]).ends_with(0);
}

#[test]
fn a_person_reads_what_a_delivery_has_led_to() {
    let (bench, _) = near_expiry();
    let listed = version_of(&bench, 0);
    let delivery = event(&bench, "1", "CertificateNearExpiry", &listed);
    fs::write(bench.file("event.json"), delivery.to_string()).unwrap();
    let run = |more: &[&str]| {
        let arguments = ["rotate", "--from-event", "event.json", "--output", "table"];
        bench.kvops(&[&arguments[..], more].concat()).ends_with(0).stdout
    };
    assert!(run(&["--plan"]).starts_with("plan: nothing has been written yet"));
    assert!(run(&[]).starts_with("proven: billing: both keys are trusted for now"));
    let stale = event(&bench, "2", "CertificateNewVersionCreated", &version_of(&bench, 1));
    fs::write(bench.file("event.json"), stale.to_string()).unwrap();
    assert!(run(&[]).starts_with("nothing to do: contoso-kv/billing: version "));
    let other = json!({ "id": "3", "eventType": "Microsoft.KeyVault.SecretExpired", "data": {} });
    fs::write(bench.file("event.json"), other.to_string()).unwrap();
    assert!(run(&[]).starts_with("nothing to do: no event is about a certificate"));
}
