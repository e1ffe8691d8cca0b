//! A verifier that keeps what it has read for a day, through a whole rollover in the lab's time.

use std::fmt::Write as _;

use kvops::jwks::KeySet;
use kvops::jwks::Order;
use kvops::jwks::SetOptions;
use kvops::jwks::SigningKeySet;
use kvops::jwks::Span;
use kvops::jwks::WindowSettings;
use kvops::jwks::Windows;
use kvops::pki::Audience;
use kvops::pki::Claims;
use kvops::pki::JwkSet;
use kvops::pki::TokenType;
use time::Duration;
use time::OffsetDateTime;

use super::block_on;
use super::key_set;
use super::later;
use super::version;
use crate::support::Bench;

/// Reads the published keys, and again only when what it has is a day old.
struct Verifier {
    keys: JwkSet,
    read_at: OffsetDateTime,
}

impl Verifier {
    fn read(set: &KeySet, now: OffsetDateTime) -> Self {
        // The document as it is served, not what is behind it.
        Self { keys: serde_json::from_slice(set.documents().jwks.bytes()).unwrap(), read_at: now }
    }
}

async fn token(issuer: &SigningKeySet, bench: &Bench) -> kvops::jwks::Issued {
    let audience = Audience::parse("orders", &bench.lab().cloud()).unwrap();
    let claims = Claims::from_json(br#"{"sub":"worker"}"#).unwrap();
    let order = Order { audience: &audience, claims: &claims, lifetime: Duration::minutes(5), kind: TokenType::Jwt };
    issuer.sign(order).await.unwrap()
}

/// A rollover of ten days, hour by hour: what the verifier did not know, and the story.
fn rollover(windows: Windows) -> (Vec<String>, String) {
    let bench = Bench::tame();
    let first = version(&bench);
    later(&bench, Duration::days(30));
    let issuer = key_set(&bench, SetOptions { windows, ..SetOptions::default() });
    let (mut unknown, mut story) = (Vec::new(), String::new());
    block_on(issuer.refresh()).unwrap();
    let mut verifier: Option<Verifier> = None;
    let (start, mut signer) = (issuer.now(), first);
    let mut second = None;
    for hour in 0..24 * 10 {
        // The worst moments: right after the publisher has read the vault, and right before it does so again.
        let is_first_reading = hour == 23;
        if hour == 1 {
            second = Some(version(&bench));
        }
        block_on(async {
            let set = issuer.current().await.unwrap();
            let is_due = |verifier: &Verifier| issuer.now() - verifier.read_at >= Duration::days(1);
            if is_first_reading || verifier.as_ref().is_some_and(is_due) {
                verifier = Some(Verifier::read(&set, issuer.now()));
            }
            let issued = token(&issuer, &bench).await;
            if issued.key.kid() != signer {
                let _ = writeln!(story, "hour {:>3}: {} signs", (issuer.now() - start).whole_hours(), issued.key.kid());
                signer = issued.key.kid().to_owned();
            }
            let text = issued.token.compact().text();
            if verifier.as_ref().is_some_and(|verifier| verifier.keys.verify(text).is_err()) {
                unknown.push(format!("hour {hour}: unknown {}", issued.key.kid()));
            }
        });
        later(&bench, Duration::hours(1));
    }
    assert_eq!(Some(signer), second, "the new key signs in the end\n{story}");
    (unknown, story)
}

fn windows(rollover: Span) -> WindowSettings {
    WindowSettings { rollover, ..WindowSettings::default() }
}

#[test]
#[expect(clippy::print_stdout, reason = "captured by the test harness: the rollover as a timeline")]
fn a_verifier_with_a_cache_of_a_day_never_meets_an_unknown_key() {
    let (unknown, story) = rollover(Windows::new(windows(Span::hours(49))).unwrap());
    println!("{story}");
    assert_eq!(unknown, Vec::<String>::new());
}

#[test]
fn with_forced_windows_the_same_verifier_meets_an_unknown_key() {
    let settings = windows(Span::hours(12));
    assert!(Windows::new(settings).is_err());
    let (unknown, _) = rollover(Windows::forced(settings).unwrap());
    assert!(!unknown.is_empty(), "a key that signs twelve hours after its birth is unknown to a cache of a day");
}
