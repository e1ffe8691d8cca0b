//! What stands on top of the page: what was audited, how much of it was read, and what that comes to.

use std::fmt::Write as _;

use super::charts;
use super::lists;
use super::text::{counted, escaped, grouped, isolated, shown};
use crate::audit::{Report, Severity};
use crate::inventory::{Coverage, Evidence};
use crate::report::overview;
use crate::report::overview::Overview;

/// The fragment with a name.
pub(super) fn fragment(name: &str, report: &Report) -> String {
    match name {
        "version" => env!("CARGO_PKG_VERSION").to_owned(),
        "tenant" => escaped(report.header.tenant.as_str()).into_owned(),
        "facts" => facts(report),
        "coverage" => coverage(&report.coverage),
        "verdict" => verdict(report),
        "tiles" => tiles(report),
        "custody" => charts::custody(&report.summary.custody),
        "expiry" => charts::expiry(&report.summary, report.header.collected_at),
        "first" => lists::first(report),
        "unknown" => lists::unknown(report),
        "waivers" => lists::waivers(report),
        "delta" => report.delta.as_ref().map(lists::delta).unwrap_or_default(),
        "ruled" => lists::ruled(report),
        "rules" => lists::rules(report),
        "read" => lists::read(&report.coverage),
        _ => String::new(),
    }
}

fn facts(report: &Report) -> String {
    let at = report.header.collected_at.to_offset(time::UtcOffset::UTC);
    let moment = format!("{} {:02}:{:02} UTC", at.date(), at.hour(), at.minute());
    let mut out = String::new();
    let mut fact = |name: &str, value: &str, more: &str| {
        let _ = write!(out, "<div><dt>{name}</dt><dd title=\"{}\">{}</dd></div>", escaped(more), escaped(value));
    };
    fact("Collected", &moment, "");
    fact("Cloud", &report.header.cloud, "");
    fact("Profile", &shown(&report.profile), "");
    if !report.policy_hash.is_empty() {
        let short: String = report.policy_hash.chars().take(12).collect();
        fact("Policy", &short, &format!("SHA-256 over rules, limits and waivers: {}", report.policy_hash));
    }
    fact("kvops", env!("CARGO_PKG_VERSION"), "");
    let summary = &report.summary;
    let scope = format!(
        "{}, {}, {}",
        counted(summary.applications, "application"),
        counted(summary.service_principals, "service principal"),
        counted(summary.vaults, "vault"),
    );
    let narrowed = report.header.is_narrowed_to_applications || report.header.is_narrowed_to_vaults;
    fact("Scope", &if narrowed { format!("{scope}; narrowed on request") } else { scope }, "");
    out
}

/// How much was read, above everything else.
fn coverage(coverage: &Coverage) -> String {
    let total = overview::total(coverage);
    let is_complete = overview::is_complete(coverage);
    let mut out = format!(
        "<div class=\"coverage {}\"><p class=\"share\"><strong>{} %</strong> <span>{}</span></p>",
        if is_complete { "whole" } else { "partial" },
        overview::percent(coverage),
        if is_complete { "of what was asked for was read" } else { "was read: the audit is incomplete" },
    );
    out.push_str(&charts::coverage(&total));
    out.push_str("<ul class=\"legend\">");
    for (class, word, number) in [
        ("read", "read", total.read),
        ("denied", "denied", total.denied),
        ("throttled", "throttled", total.throttled),
        ("failed", "failed", total.failed),
    ] {
        let none = if number == 0 { " none" } else { "" };
        let _ = write!(out, "<li class=\"{class}{none}\"><b>{}</b> {word}</li>", grouped(number));
    }
    out.push_str("</ul>");
    if !is_complete {
        out.push_str(
            "<p class=\"note\">What was not read counts neither as passed nor as failed. \
             <a href=\"#unknown\">See what is missing, and which right would show it</a>.</p>",
        );
    }
    out.push_str("</div>");
    out
}

fn verdict(report: &Report) -> String {
    let overview = Overview::of(report);
    let is_complete = overview::is_complete(&report.coverage) && overview.unknown == overview.not_asked;
    let mut out = String::from("<div class=\"verdict\">");
    if overview.findings == 0 {
        let (class, text) = if is_complete {
            ("clean", "No findings: every rule passed on everything that it looked at.")
        } else {
            ("open", "No findings in what was read. Not everything was.")
        };
        let _ = write!(out, "<p class=\"{class}\">{text}</p>");
    } else {
        out.push_str("<ul class=\"counts\">");
        for (severity, number) in Severity::ALL.into_iter().zip(overview.by_severity) {
            let none = if number == 0 { " none" } else { "" };
            let _ = write!(
                out,
                "<li class=\"{severity}{none}\"><a class=\"severe\" href=\"#sev={severity}\"><b>{}</b> {severity}</a></li>",
                grouped(number)
            );
        }
        out.push_str("</ul>");
    }
    let mut rest = Vec::new();
    if overview.existing > 0 {
        rest.push(format!("{} known from the baseline", grouped(overview.existing)));
    }
    if overview.waived > 0 {
        rest.push(format!("<a href=\"#state=waived\">{} waived</a>", grouped(overview.waived)));
    }
    if overview.unknown > 0 {
        rest.push(format!("<a href=\"#unknown\">{} could not be evaluated</a>", grouped(overview.unknown)));
    }
    if !rest.is_empty() {
        let _ = write!(out, "<p class=\"rest\">{}</p>", rest.join(" · "));
    }
    for warning in &report.warnings {
        let _ = write!(out, "<p class=\"note\">{}</p>", isolated(warning));
    }
    out.push_str("</div>");
    out
}

fn tiles(report: &Report) -> String {
    let summary = &report.summary;
    let coverage = &report.coverage;
    let has_all = |kinds: &[Evidence]| kinds.iter().all(|kind| coverage.is_complete(*kind));
    let mut out = String::new();
    let mut tile = |number: Option<u64>, label: &str, detail: String, is_sure: bool| {
        let class = match number {
            None => "unsure",
            Some(0) if is_sure => "none",
            Some(0) => "unsure",
            Some(_) => "some",
        };
        let value = number.map_or_else(|| "–".to_owned(), grouped);
        let doubt = if is_sure { "" } else { "<span class=\"doubt\">at least; not everything was read</span>" };
        let _ = write!(
            out,
            "<li class=\"{class}\"><b>{value}</b><span class=\"label\">{label}</span>\
             <span class=\"quiet\">{detail}</span>{doubt}</li>"
        );
    };
    let apps = has_all(&[Evidence::Applications, Evidence::ServicePrincipals]);
    let keys = summary.custody.all().iter().map(|(_, number)| number).sum::<u64>() - summary.custody.secret;
    tile(
        Some(summary.with_secrets),
        "applications with secrets",
        format!(
            "of {}; {} in all",
            counted(summary.applications, "application"),
            counted(summary.custody.secret, "secret")
        ),
        apps,
    );
    tile(
        Some(summary.custody.unknown()),
        "keys of unknown custody",
        format!("of {} that open a sign-in", counted(keys, "key")),
        apps,
    );
    tile(
        Some(summary.expiring),
        &format!("end within {} days", if summary.expiring_days == 0 { 30 } else { summary.expiring_days }),
        "and nothing succeeds them".to_owned(),
        apps,
    );
    tile(
        Some(summary.many_signers),
        &format!("keys with more than {} signers", summary.max_signers),
        match summary.unsure_signers {
            0 => "who can sign can sign in".to_owned(),
            unsure => format!("of {} nobody can say", grouped(unsure)),
        },
        summary.unsure_signers == 0 && has_all(&[Evidence::Vaults, Evidence::Certificates, Evidence::RoleAssignments]),
    );
    out
}
