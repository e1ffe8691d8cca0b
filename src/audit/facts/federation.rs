//! What a federated credential lets in: who issues the tokens, and how much its pattern leaves open.

use uuid::Uuid;

use crate::audit::data::Issuers;
use crate::domain::TenantId;

/// Who issues the tokens.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Issuer {
    /// Somebody whose federated tokens are usual.
    Known,
    /// The same, on behalf of another tenant.
    OtherTenant,
    /// Anybody else.
    Unknown,
}

/// How much of a claim is fixed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Scope {
    /// Enough of it.
    Fixed,
    /// The pull requests of one repository, which anybody may open.
    PullRequest,
    /// Not even the repository, project, workspace or service account.
    Open,
}

/// A `claimsMatchingExpression`, as far as it compares claims with texts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Expression<'a> {
    comparisons: Vec<Comparison<'a>>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
struct Comparison<'a> {
    claim: &'a str,
    is_pattern: bool,
    value: &'a str,
}

impl Issuer {
    /// Whose tokens an issuer's are, seen from a tenant.
    pub fn of(issuer: &str, issuers: &Issuers, tenant: &TenantId) -> Self {
        let Some(rest) = issuer.strip_prefix("https://") else { return Self::Unknown };
        let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
        let host = host.to_ascii_lowercase();
        if !host.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'.' || byte == b'-') {
            return Self::Unknown;
        }
        if issuers.hosts.contains(&host) {
            return Self::Known;
        }
        let is_entra = issuers.entra.contains(&host);
        if !is_entra && !issuers.suffixes.iter().any(|suffix| host.ends_with(suffix.as_str())) {
            return Self::Unknown;
        }
        // These issue for everybody: the path says for whom.
        let owner = path.split('/').next().unwrap_or_default();
        match owner.parse::<Uuid>() {
            Ok(_) if owner.eq_ignore_ascii_case(tenant.as_str()) => Self::Known,
            Ok(_) => Self::OtherTenant,
            Err(_) if is_entra => Self::OtherTenant,
            Err(_) => Self::Known,
        }
    }
}

impl Scope {
    /// Whether a subject stands for every pull request of a repository on GitHub.
    pub fn is_pull_request(subject: &str) -> bool {
        let mut parts = subject.split(':');
        parts.next() == Some("repo") && parts.nth(1) == Some("pull_request") && parts.next().is_none()
    }

    /// What a pattern leaves open: it does not, once the part after the repository has begun.
    fn of_pattern(claim: &str, pattern: &str) -> Self {
        let Some(end) = pattern.find(['*', '?']) else { return Self::of_text(pattern) };
        let fixed = &pattern[..end];
        let begins = |part: usize| fixed.split(':').nth(part).is_some_and(|part| !part.is_empty());
        let is_fixed = match (claim, fixed.split(':').next()) {
            // ORGANISATION/REPOSITORY/.github/workflows/FILE@REF
            ("job_workflow_ref", _) => fixed.matches('/').count() >= 2,
            // repo:ORGANISATION/REPOSITORY:…, project_path:GROUP/PROJECT:…
            (_, Some("repo" | "project_path")) => begins(2),
            // system:serviceaccount:NAMESPACE:NAME
            (_, Some("system")) => begins(3),
            // organization:O:project:P:workspace:W:run_phase:…
            (_, Some("organization")) => begins(6),
            _ => false,
        };
        if is_fixed { Self::Fixed } else { Self::Open }
    }

    fn of_text(text: &str) -> Self {
        if Self::is_pull_request(text) { Self::PullRequest } else { Self::Fixed }
    }
}

impl<'a> Expression<'a> {
    /// Reads `claims['sub'] eq 'TEXT'` and `claims['sub'] matches 'PATTERN'`, joined with `and`;
    /// `None` for anything else.
    pub fn parse(text: &'a str) -> Option<Self> {
        let pieces: Vec<&str> = text.split('\'').collect();
        let (last, comparisons) = pieces.split_last()?;
        if !last.trim().is_empty() || comparisons.is_empty() || comparisons.len() % 4 != 0 {
            return None;
        }
        let comparisons = comparisons.chunks(4).enumerate().map(|(index, pieces)| {
            let [before, claim, operator, value] = pieces else { return None };
            let before = before.trim();
            let opening = if index == 0 { before } else { before.strip_prefix("and")?.trim_start() };
            let is_pattern = match operator.trim_start().strip_prefix(']')?.trim() {
                "matches" => true,
                "eq" => false,
                _ => return None,
            };
            (opening == "claims[").then_some(Comparison { claim, is_pattern, value })
        });
        comparisons.collect::<Option<Vec<_>>>().map(|comparisons| Self { comparisons })
    }

    /// How much each of its comparisons leaves open.
    pub fn scopes(&self) -> impl Iterator<Item = Scope> {
        self.comparisons.iter().map(|comparison| {
            if comparison.is_pattern {
                Scope::of_pattern(comparison.claim, comparison.value)
            } else {
                Scope::of_text(comparison.value)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::data::Data;

    const OWN: &str = "9d6a1f5e-0000-4000-8000-000000000001";

    fn issuer(text: &str) -> Issuer {
        Issuer::of(text, &Data::shipped().issuers, &OWN.parse().unwrap())
    }

    fn scopes(text: &str) -> Option<Vec<Scope>> {
        Expression::parse(text).map(|expression| expression.scopes().collect())
    }

    #[test]
    fn an_issuer_is_known_by_its_whole_host_and_by_nothing_that_looks_like_it() {
        assert_eq!(issuer("https://token.actions.githubusercontent.com"), Issuer::Known);
        assert_eq!(issuer("https://token.actions.githubusercontent.com/contoso"), Issuer::Known);
        assert_eq!(issuer("https://GITLAB.com"), Issuer::Known);
        for text in [
            "http://gitlab.com",
            "https://gitlab.com.evil.example",
            "https://gitlab.com@evil.example",
            "https://gitlab.com:8443",
            "https://evilgitlab.com",
            "https://evil.example\\.oic.prod-aks.azure.com/",
            "https://oic.prod-aks.azure.com.evil.example/",
            "gitlab.com",
        ] {
            assert_eq!(issuer(text), Issuer::Unknown, "{text}");
        }
    }

    #[test]
    fn who_issues_for_every_tenant_is_known_for_the_own_one_only() {
        for host in ["https://westeurope.oic.prod-aks.azure.com", "https://login.microsoftonline.com"] {
            assert_eq!(issuer(&format!("{host}/{OWN}/v2.0")), Issuer::Known);
            let other = "11111111-0000-4000-8000-000000000001";
            assert_eq!(issuer(&format!("{host}/{other}/v2.0")), Issuer::OtherTenant);
        }
        assert_eq!(issuer("https://login.microsoftonline.com/common/v2.0"), Issuer::OtherTenant);
    }

    #[test]
    fn a_pattern_is_open_until_the_part_after_the_repository_has_begun() {
        let sub = |pattern| scopes(&format!("claims['sub'] matches '{pattern}'")).unwrap()[0];
        for open in [
            "*",
            "repo:contoso/*",
            "repo:contoso/*:environment:prod",
            "repo:contoso/billing*",
            "repo:contoso/billing:*",
            "repo:contoso/billin?:environment:prod",
            "project_path:contoso/*:ref_type:branch:ref:main",
            "system:serviceaccount:*:billing",
            "system:serviceaccount:prod:*",
            "organization:contoso:project:*:workspace:w:run_phase:apply",
            "organization:contoso:project:p:workspace:w*",
            "something:else:entirely:*",
        ] {
            assert_eq!(sub(open), Scope::Open, "{open}");
        }
        for fixed in [
            "repo:contoso/billing:ref:refs/heads/*",
            "repo:contoso/billing:environment:*",
            "project_path:contoso/billing:ref_type:branch:ref:release-*",
            "system:serviceaccount:prod:billing-*",
            "organization:contoso:project:p:workspace:w:run_phase:*",
            "repo:contoso/billing:environment:prod",
        ] {
            assert_eq!(sub(fixed), Scope::Fixed, "{fixed}");
        }
        assert_eq!(sub("repo:contoso/billing:pull_request"), Scope::PullRequest);
    }

    #[test]
    fn every_comparison_counts_and_equality_has_no_wildcards() {
        let text = "claims['sub'] eq 'repo:contoso/*' and claims['job_workflow_ref'] matches 'contoso/*/x.yml@main'";
        assert_eq!(scopes(text), Some(vec![Scope::Fixed, Scope::Open]));
        let text = "claims['sub'] eq 'repo:contoso/billing:pull_request'";
        assert_eq!(scopes(text), Some(vec![Scope::PullRequest]));
        let text = "claims['job_workflow_ref'] matches 'contoso/shared/.github/workflows/*@refs/heads/main'";
        assert_eq!(scopes(text), Some(vec![Scope::Fixed]));
    }

    #[test]
    fn what_has_another_form_is_not_taken_for_understood() {
        for text in ["", "true", "claims['sub'] ne 'x'", "claims['sub'] eq 'x' or claims['sub'] eq 'y'", "sub eq 'x'"] {
            assert_eq!(scopes(text), None, "{text}");
        }
    }

    #[test]
    fn only_the_subject_of_every_pull_request_is_one() {
        assert!(Scope::is_pull_request("repo:contoso/billing:pull_request"));
        assert!(!Scope::is_pull_request("repo:contoso/billing:ref:refs/heads/pull_request"));
        assert!(!Scope::is_pull_request("repo:contoso/pull_request"));
        assert!(!Scope::is_pull_request("repo:contoso/billing:pull_request:x"));
    }
}
