//! The lists of the page: the worst findings, what could not be evaluated, waivers, what has changed,
//! rules, and what was read. All of them are there without scripts.

use std::fmt::Write as _;

use super::data::name_of;
use super::text::{counted, escaped, grouped, isolated, shown};
use crate::audit::{Delta, Finding, Report, State, Subject, Tally, Unknown, WaiverState};
use crate::inventory::{Coverage, Evidence, Reason};
use crate::report::overview;
use crate::report::overview::Missing;
use crate::report::subject::kind as subject_kind;

/// Findings that are listed where no script runs.
const WITHOUT_SCRIPT: usize = 200;
/// Objects that are named for one missing kind of evidence.
const UNDECIDED: usize = 20;
/// What has gone since the baseline, as far as it is listed.
const FIXED: usize = 200;

/// The worst findings, where no script can show all of them.
pub(super) fn first(report: &Report) -> String {
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
        out.push_str(&row(&finding));
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
        escaped(finding.rule),
        subject(&finding.subject),
        isolated(&finding.details.message),
    )
}

fn subject(subject: &Subject) -> String {
    let name = if subject.name.is_empty() { &subject.id } else { &subject.name };
    let mut out = format!("<span class=\"name\">{}</span>", isolated(name));
    if *subject.name != *subject.id {
        let _ = write!(out, " <span class=\"quiet\">{} {}</span>", subject_kind(subject.kind), isolated(&subject.id));
    }
    if let Some(part) = &subject.part {
        let _ = write!(out, " <span class=\"quiet\">{}</span>", isolated(part));
    }
    out
}

pub(super) fn unknown(report: &Report) -> String {
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
            if missing.objects == 0 { "–".to_owned() } else { grouped(missing.objects) },
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
    let omitted = report.omitted.kinds().iter().filter(|kind| kind.evidence == evidence && kind.reason == reason);
    let omitted: u64 = omitted.map(|kind| kind.number).sum();
    let more = all.count() as u64 + omitted;
    if more > 0 {
        let named =
            if omitted == 0 { "which the JSON report names" } else { "of which the JSON report names the first" };
        let _ = write!(out, "<li>and {} more, {named}</li>", grouped(more));
    }
    format!("<details><summary>objects</summary><ul>{out}</ul></details>")
}

pub(super) fn waivers(report: &Report) -> String {
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
            "<tr class=\"{}\"><td class=\"who\">{left}<td class=\"id\">{}<td class=\"what\">{}<br><span class=\"quiet\">{}:{}</span>\
             <td class=\"who\">{}<td class=\"why\">{}{}\
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

pub(super) fn delta(delta: &Delta) -> String {
    let mut out = format!(
        "<section id=\"delta\" aria-labelledby=\"delta-title\"><div class=\"title\">\
         <h2 id=\"delta-title\">Since {}</h2><p class=\"quiet\">{}</p></div><div class=\"verdict\"><ul class=\"counts\">\
         <li class=\"new\"><a href=\"#state=new\"><b>{}</b> New</a></li><li><a href=\"#state=existing\"><b>{}</b> Known</a></li>\
         <li class=\"fixed\"><span><b>{}</b> Gone</span></li><li><span><b>{}</b> Not looked at again</span></li></ul></div>",
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

pub(super) fn ruled(report: &Report) -> String {
    let clean = report.tallies.iter().filter(|tally| tally.findings == 0 && tally.unknown == 0).count();
    format!("{} ran; {} of them with nothing to say.", counted(report.tallies.len() as u64, "rule"), clean)
}

pub(super) fn rules(report: &Report) -> String {
    let (silent, telling): (Vec<_>, Vec<_>) =
        report.tallies.iter().partition(|tally| tally.findings == 0 && tally.unknown == 0);
    let mut out = String::new();
    if !telling.is_empty() {
        out.push_str(&tallies(&telling));
    }
    if !silent.is_empty() {
        // Nothing to say is an answer too, and the only one of a clean tenant.
        let open = if telling.is_empty() { " open" } else { "" };
        let count = counted(silent.len() as u64, "rule");
        let _ =
            write!(out, "<details{open}><summary>{count} with nothing to say</summary>{}</details>", tallies(&silent));
    }
    out
}

fn tallies(tallies: &[&Tally]) -> String {
    let mut out = String::from(
        "<div class=\"scroll\"><table class=\"rules\"><thead><tr><th>Rule<th>Title<th>Severity<th class=\"number\">Objects\
         <th class=\"number\">Passed<th class=\"number\">Findings<th class=\"number\">Undecided</tr></thead><tbody>",
    );
    for tally in tallies {
        let rule = tally.rule;
        let _ = write!(
            out,
            "<tr><td class=\"id\">{}<td>{}<td><span class=\"severity {2}\">{2}</span>",
            escaped(rule.id),
            escaped(rule.title),
            rule.severity
        );
        let number = |number: u64| match number {
            0 => "<td class=\"number zero\">0".to_owned(),
            number => format!("<td class=\"number\">{}", grouped(number)),
        };
        let findings = match tally.findings {
            0 => number(0),
            found => format!("<td class=\"number\"><a href=\"#rule={}\">{}</a>", escaped(rule.id), grouped(found)),
        };
        let _ =
            write!(out, "{}{}{findings}{}</tr>", number(tally.objects), number(tally.passed), number(tally.unknown));
    }
    out.push_str("</tbody></table></div>");
    out
}

pub(super) fn read(coverage: &Coverage) -> String {
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
