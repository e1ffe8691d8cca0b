//! KVO111: a public key that is too weak.

use crate::audit::facts::ApplicationFacts;
use crate::audit::rule::{Case, Check, Group, Rule};
use crate::audit::severity::Severity;
use crate::audit::verdict::Verdicts;
use crate::inventory::{Evidence, X509};

pub(super) const RULE: Rule = Rule {
    id: "KVO111",
    name: "app-cert-weak-key",
    title: "Weak public key",
    group: Group::Credentials,
    severity: Severity::High,
    since: "0.2.0",
    needs: &[Evidence::Applications, Evidence::KeyBytes],
    params: &["min_rsa_bits"],
    fix: "kvops provision --app {app} --vault VAULT --name NEW-NAME --key RSA:3072, then, once nobody uses the old one: kvops detach --app {app} --vault VAULT --name NEW-NAME --key {part}",
    mitre: &["T1649"],
    controls: &[
        "NIST SP 800-57 part 1 table 2",
        "NIST SP 800-131A",
        "Azure Policy cee51871-e572-4576-855c-047c820360f0",
    ],
    references: &["https://csrc.nist.gov/pubs/sp/800/131/a/r2/final"],
    page: include_str!("../../../../docs/rules/KVO111.md"),
    check: Check::Application(check),
};

/// Curves that Key Vault and Entra name.
const CURVES: [&str; 3] = ["P-256", "P-384", "P-521"];

/// The last year in which NIST lets 112 bits of strength make signatures.
const LAST_YEAR_OF_2048: i32 = 2030;

fn check(app: &ApplicationFacts<'_>, case: &Case<'_>, out: &mut Verdicts<'_>) {
    for key in app.keys.iter().filter(|key| key.is_sign_in_certificate()) {
        let subject = app.subject().part(key.key.key_id);
        let x = match key.key.x.get() {
            Ok(x) => x,
            Err(reason) => {
                out.unknown(subject, Evidence::KeyBytes, reason, "the public key was not read");
                continue;
            }
        };
        let Some((severity, message)) = fault(x, case.params.min_rsa_bits) else { continue };
        let field = |name: &str| format!("keyCredentials[{}].key.{name}", key.key.key_id);
        let mut finding = out.finding(subject, message).evidence(Evidence::KeyBytes, field("bits"), x.bits);
        if severity == Severity::Info {
            finding = finding.evidence(Evidence::KeyBytes, field("notAfter"), x.not_after.date());
        }
        finding.severity(severity, "by what the key is").report();
    }
}

/// The worst that can be said of a key.
fn fault(x: &X509, least: u32) -> Option<(Severity, String)> {
    if &*x.alg != "RSA" {
        let curve = x.curve.as_deref().unwrap_or("without a name");
        let is_known = CURVES.contains(&curve);
        return (!is_known).then(|| (Severity::High, format!("the key is on curve {curve}, not a NIST prime curve")));
    }
    if x.is_roca {
        let message = "the modulus has the form of a broken generator (ROCA), and can be factored";
        return Some((Severity::Critical, message.to_owned()));
    }
    if x.bits < least {
        return Some((Severity::Critical, format!("the RSA key has {} bits, fewer than {least}", x.bits)));
    }
    if let Some(exponent) = x.exponent.filter(|exponent| *exponent < 65_537) {
        return Some((Severity::High, format!("the RSA key has the public exponent {exponent}, less than 65537")));
    }
    let is_late = x.bits < 3072 && x.not_after.year() > LAST_YEAR_OF_2048;
    is_late.then(|| {
        let year = x.not_after.year();
        (
            Severity::Info,
            format!("the RSA key has {} bits, and is valid until {year}, past {LAST_YEAR_OF_2048}", x.bits),
        )
    })
}
