//! The parts of the page that are there without scripts.

use std::fmt::Write as _;

use super::charts;
use super::data::{kind, name_of};
use super::text::{counted, escaped, grouped, isolated, shown};
use crate::audit::{Delta, Finding, Report, Severity, State, Subject, Unknown, WaiverState};
use crate::inventory::{Coverage, Evidence, Reason};
use crate::report::overview;
use crate::report::overview::{Missing, Overview};

/// Findings that are listed where no script runs.
const WITHOUT_SCRIPT: usize = 200;
/// Objects that are named for one missing kind of evidence.
const UNDECIDED: usize = 20;
/// What has gone since the baseline, as far as it is listed.
const FIXED: usize = 200;

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
        "first" => first(report),
        "unknown" => unknown(report),
        "waivers" => waivers(report),
        "delta" => report.delta.as_ref().map(delta).unwrap_or_default(),
        "ruled" => ruled(report),
        "rules" => rules(report),
        "read" => read(&report.coverage),
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
                "<li class=\"{severity}{none}\"><a href=\"#sev={severity}\"><b>{}</b> {severity}</a></li>",
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

/// The worst findings, where no script can show all of them.
fn first(report: &Report) -> String {
    let total = report.findings.len();
    if total == 0 {
        return "<p class=\"empty\">There are none.</p>".to_owned();
    }
    let mut out = String::new();
    if total > WITHOUT_SCRIPT {
        let _ = write!(
            out,
            "<p class=\"note\">The {WITHOUT_SCRIPT} worst of {}. With scripts, the page shows all of them.</p>",
            grouped(total as u64)
        );
    }
    out.push_str(
        "<div class=\"scroll\"><table><thead><tr><th>Severity<th>Rule<th>Object<th>Finding</tr></thead><tbody>",
    );
    for finding in report.findings.iter().take(WITHOUT_SCRIPT) {
        out.push_str(&row(finding));
    }
    out.push_str("</tbody></table></div>");
    out
}

fn row(finding: &Finding) -> String {
    let waived = match &finding.state {
        State::Waived { owner, expires, .. } => format!(" <em>waived by {} until {expires}</em>", isolated(owner)),
        State::New | State::Existing { .. } => String::new(),
    };
    format!(
        "<tr><td><span class=\"severity {0}\">{0}</span><td>{1}<td>{2}<td>{3}{waived}</tr>",
        finding.severity,
        escaped(&finding.rule),
        subject(&finding.subject),
        isolated(&finding.message),
    )
}

fn subject(subject: &Subject) -> String {
    let name = if subject.name.is_empty() { &subject.id } else { &subject.name };
    let mut out = format!("<span class=\"name\">{}</span>", isolated(name));
    if *subject.name != *subject.id {
        let _ = write!(out, " <span class=\"quiet\">{} {}</span>", kind(subject.kind), isolated(&subject.id));
    }
    if let Some(part) = &subject.part {
        let _ = write!(out, " <span class=\"quiet\">{}</span>", isolated(part));
    }
    out
}

fn unknown(report: &Report) -> String {
    let missing = overview::missing(report);
    if missing.is_empty() {
        return "<p class=\"empty\">Everything that the rules asked for was there.</p>".to_owned();
    }
    let mut out = String::from(
        "<div class=\"scroll\"><table class=\"missing\"><thead><tr><th>Missing<th>Why<th>What would show it\
         <th class=\"number\">Undecided<th>Rules</tr></thead><tbody>",
    );
    for ((evidence, reason), missing) in missing {
        let _ = write!(
            out,
            "<tr><td><b>{evidence}</b>{}<td><span class=\"reason\">{reason}</span><td>{}<td class=\"number\">{}<td>{}{}</tr>",
            places(&missing),
            remedy(reason, &missing),
            grouped(missing.objects),
            missing.rules.iter().map(|rule| escaped(rule)).collect::<Vec<_>>().join(" "),
            undecided(report, evidence, reason),
        );
    }
    out.push_str("</tbody></table></div>");
    out
}

fn places(missing: &Missing) -> String {
    if missing.places.is_empty() {
        return String::new();
    }
    let named: Vec<_> = missing.places.iter().take(5).map(|place| isolated(place)).collect();
    let more = missing.places.len().saturating_sub(5);
    let more = if more > 0 { format!(" and {} more", grouped(more as u64)) } else { String::new() };
    format!("<br><span class=\"quiet\">{}{more}</span>", named.join(", "))
}

fn remedy(reason: Reason, missing: &Missing) -> String {
    if !missing.grants.is_empty() {
        let grants: Vec<_> = missing.grants.iter().map(|grant| format!("<code>{}</code>", escaped(grant))).collect();
        return format!("grant {}", grants.join(" or "));
    }
    match reason {
        Reason::NotAsked => "nothing was refused: this run did not ask for it",
        Reason::NotInCloud => "nothing: this cloud does not have it",
        Reason::Rbac => "the role that the guide names for it",
        Reason::AccessPolicy => "an access policy of the vault with get and list",
        Reason::Firewall => "running where the vault's firewall lets it in",
        Reason::Throttled => "another run, at a quieter time",
        Reason::NotLicensed => "a licence for it in this tenant",
        Reason::Parse => "a report of this as a fault of kvops",
        Reason::Failed => "another run, once the service answers",
    }
    .to_owned()
}

fn undecided(report: &Report, evidence: Evidence, reason: Reason) -> String {
    let is_it = |unknown: &&Unknown| unknown.evidence == evidence && unknown.reason == reason;
    let mut out = String::new();
    let mut all = report.unknowns.iter().filter(is_it);
    for unknown in all.by_ref().take(UNDECIDED) {
        let _ = write!(
            out,
            "<li>{} {} <span class=\"quiet\">{}</span></li>",
            escaped(&unknown.rule),
            subject(&unknown.subject),
            isolated(&unknown.why)
        );
    }
    if out.is_empty() {
        return out;
    }
    let more = all.count();
    if more > 0 {
        let _ = write!(out, "<li>and {} more, which the JSON report names</li>", grouped(more as u64));
    }
    format!("<details><summary>objects</summary><ul>{out}</ul></details>")
}

fn waivers(report: &Report) -> String {
    if report.waivers.is_empty() {
        return "<p class=\"empty\">Nobody waived anything.</p>".to_owned();
    }
    let mut waivers: Vec<_> = report.waivers.iter().collect();
    waivers.sort_by_key(|waiver| (waiver.state != WaiverState::Expired, waiver.expires));
    let mut out = String::from(
        "<div class=\"scroll\"><table><thead><tr><th>Days left<th>Rule<th>What<th>Owner<th>Reason\
         <th class=\"number\">Findings</tr></thead><tbody>",
    );
    for waiver in waivers {
        let left = match waiver.state {
            WaiverState::Expired => format!("<b>expired</b> on {}", waiver.expires),
            WaiverState::Active => format!("<b>{}</b> until {}", waiver.days_left, waiver.expires),
            WaiverState::Dead => format!("<b>about nothing</b> until {}", waiver.expires),
            WaiverState::Undecided => format!("<b>undecided</b> until {}", waiver.expires),
        };
        let ticket =
            waiver.ticket.as_deref().map(|ticket| format!(" <span class=\"quiet\">{}</span>", isolated(ticket)));
        let _ = write!(
            out,
            "<tr class=\"{}\"><td>{left}<td>{}<td>{}<br><span class=\"quiet\">{}:{}</span><td>{}<td>{}{}\
             <td class=\"number\">{}</tr>",
            name_of(waiver.state),
            escaped(&waiver.rule),
            isolated(&waiver.subject),
            escaped(&shown(&waiver.file)),
            waiver.line,
            isolated(&waiver.owner),
            isolated(&waiver.reason),
            ticket.unwrap_or_default(),
            grouped(waiver.findings),
        );
    }
    out.push_str("</tbody></table></div>");
    out
}

fn delta(delta: &Delta) -> String {
    let mut out = format!(
        "<section id=\"delta\" aria-labelledby=\"delta-title\"><div class=\"title\">\
         <h2 id=\"delta-title\">Since {}</h2><p class=\"quiet\">{}</p></div><ul class=\"counts\">\
         <li class=\"new\"><a href=\"#state=new\"><b>{}</b> new</a></li><li><a href=\"#state=existing\"><b>{}</b> known</a></li>\
         <li class=\"fixed\"><span><b>{}</b> gone</span></li><li><span><b>{}</b> not looked at again</span></li></ul>",
        delta.since,
        if delta.is_same_policy { "Judged by the same policy." } else { "The baseline was judged by another policy." },
        grouped(delta.new),
        grouped(delta.existing),
        grouped(delta.fixed.len() as u64),
        grouped(delta.undecided.len() as u64),
    );
    for (title, gone) in [("Gone", &delta.fixed), ("Not looked at again", &delta.undecided)] {
        if gone.is_empty() {
            continue;
        }
        let _ = write!(out, "<details><summary>{title}</summary><ul>");
        for gone in gone.iter().take(FIXED) {
            let _ = write!(
                out,
                "<li><span class=\"severity {0}\">{0}</span> {1} {2} <span class=\"quiet\">known since {3}</span></li>",
                gone.severity,
                escaped(&gone.rule),
                subject(&gone.subject),
                gone.first_seen
            );
        }
        if gone.len() > FIXED {
            let _ = write!(out, "<li>and {} more</li>", grouped((gone.len() - FIXED) as u64));
        }
        out.push_str("</ul></details>");
    }
    out.push_str("</section>");
    out
}

fn ruled(report: &Report) -> String {
    let clean = report.tallies.iter().filter(|tally| tally.findings == 0 && tally.unknown == 0).count();
    format!("{} ran; {} of them with nothing to say.", counted(report.tallies.len() as u64, "rule"), clean)
}

fn rules(report: &Report) -> String {
    let mut out = String::from(
        "<div class=\"scroll\"><table class=\"rules\"><thead><tr><th>Rule<th>Title<th>Severity<th class=\"number\">Objects\
         <th class=\"number\">Passed<th class=\"number\">Findings<th class=\"number\">Undecided</tr></thead><tbody>",
    );
    for tally in &report.tallies {
        let zero = |number: u64| if number == 0 { " zero" } else { "" };
        let findings = if tally.findings > 0 {
            format!("<a href=\"#rule={}\">{}</a>", escaped(tally.rule.id), grouped(tally.findings))
        } else {
            "0".to_owned()
        };
        let _ = write!(
            out,
            "<tr><td class=\"id\">{}<td>{}<td><span class=\"severity {3}\">{3}</span><td class=\"number{4}\">{5}<td class=\"number{6}\">{7}\
             <td class=\"number{8}\">{2}<td class=\"number{9}\">{10}</tr>",
            escaped(tally.rule.id),
            escaped(tally.rule.title),
            findings,
            tally.rule.severity,
            zero(tally.objects),
            grouped(tally.objects),
            zero(tally.passed),
            grouped(tally.passed),
            zero(tally.findings),
            zero(tally.unknown),
            grouped(tally.unknown),
        );
    }
    out.push_str("</tbody></table></div>");
    out
}

fn read(coverage: &Coverage) -> String {
    let mut out = String::from(
        "<div class=\"scroll\"><table class=\"read\"><thead><tr><th>Kind<th class=\"number\">There are<th class=\"number\">Read\
         <th class=\"number\">Denied<th class=\"number\">Throttled<th class=\"number\">Failed</tr></thead><tbody>",
    );
    for (evidence, count) in &coverage.counts {
        let _ = write!(out, "<tr><td>{evidence}");
        for number in [count.expected, count.read, count.denied, count.throttled, count.failed] {
            let zero = if number == 0 { " zero" } else { "" };
            let _ = write!(out, "<td class=\"number{zero}\">{}", grouped(number));
        }
        out.push_str("</tr>");
    }
    out.push_str("</tbody></table></div>");
    let holes: Vec<_> = overview::holes(coverage).collect();
    if !holes.is_empty() {
        let answers = format!("{} did not come", counted(holes.len() as u64, "answer"));
        let _ = write!(out, "<details><summary>{}</summary><ul>", answers);
        for gap in holes.iter().take(FIXED) {
            let object = if gap.object.is_empty() { "all".to_owned() } else { isolated(&gap.object) };
            let _ = write!(
                out,
                "<li>{} of {object}: {} <span class=\"quiet\">{}</span></li>",
                gap.evidence,
                gap.reason,
                isolated(&gap.detail)
            );
        }
        out.push_str("</ul></details>");
    }
    out
}
