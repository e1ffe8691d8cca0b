//! The codes of Key Vault and Microsoft Graph, and the exit codes of kvops: what each means and what to do.
//!
//! Those of the token endpoint are in [`crate::entra::meanings`], those of rules in their pages.

/// One code.
#[derive(Clone, Copy, Debug)]
pub(super) struct Code {
    /// As it stands in the error: Key Vault's inner code where there is one.
    pub(super) code: &'static str,
    /// What is so.
    pub(super) meaning: &'static str,
    /// What to do; each begins with a verb.
    pub(super) next: &'static [&'static str],
    /// When the same request may succeed, if it ever does.
    pub(super) retry: Option<&'static str>,
}

const fn never(code: &'static str, meaning: &'static str, next: &'static [&'static str]) -> Code {
    Code { code, meaning, next, retry: None }
}

const fn later(code: &'static str, retry: &'static str, meaning: &'static str, next: &'static [&'static str]) -> Code {
    Code { code, meaning, next, retry: Some(retry) }
}

/// Source: <https://learn.microsoft.com/azure/key-vault/general/rest-error-codes> and answers of the service.
pub(super) const KEY_VAULT: &[Code] = &[
    later(
        "ForbiddenByRbac",
        "minutes after the role was assigned",
        "the vault uses Azure roles, and the caller has none with this data action",
        &[
            "run `kvops doctor --vault VAULT --name NAME` to see which rights are there",
            "assign the role that the error names, on the vault or on one certificate",
            "wait some minutes if it was just assigned",
        ],
    ),
    never(
        "ForbiddenByPolicy",
        "the vault uses access policies, and the caller's lacks this permission",
        &["grant the permission that the error names with `az keyvault set-policy`"],
    ),
    never(
        "AccessDenied",
        "the caller lacks a right on this vault",
        &["run `kvops doctor --vault VAULT --name NAME` to see which rights are there"],
    ),
    never(
        "ForbiddenByFirewall",
        "the vault's firewall does not let this network in; roles do not matter",
        &["run the command from a network that the firewall lets in, or have this one's address added"],
    ),
    never(
        "ForbiddenByConnection",
        "the vault is closed to public networks and answers through private endpoints only",
        &["run the command from a network that has the vault's private endpoint, where its name has a private address"],
    ),
    never(
        "KeyDisabled",
        "this version of the key is disabled",
        &["run `kvops cert list --vault VAULT --name NAME` to see which version is enabled"],
    ),
    never("SecretDisabled", "this version is disabled", &["enable it, or use another version"]),
    never(
        "CertificateNotFound",
        "the vault has no certificate of this name, or no such version",
        &[
            "check --vault and --name with `kvops cert list --vault VAULT`",
            "recover it with `kvops provision --recover` if it was deleted",
        ],
    ),
    never("KeyNotFound", "the vault has no key of this name, or no such version", &["check --vault and --name"]),
    never(
        "PendingCertificateNotFound",
        "no creation is under way for this name",
        &["start one with `kvops provision`"],
    ),
    never(
        "ContactsNotFound",
        "nobody gets mail about certificates of this vault",
        &["add an address with `az keyvault certificate contact add`"],
    ),
    never(
        "CertificateIssuerNotFound",
        "the vault knows no issuer of this name",
        &["use the issuer `Self`, as kvops does"],
    ),
    never(
        "ObjectIsDeletedButRecoverable",
        "a deleted certificate holds this name until it is purged",
        &[
            "recover it with `kvops provision --recover`",
            "or choose another --name",
            "or purge it, if the vault allows that",
        ],
    ),
    later(
        "ObjectIsBeingDeleted",
        "once the deletion is complete, some seconds later",
        "the object is on its way into the recycle bin",
        &["wait, then run the same command again"],
    ),
    later(
        "Throttled",
        "after some seconds",
        "the vault's budget is spent: 4,000 operations in ten seconds on RSA 2048 keys, fewer on larger ones",
        &["wait, and look at who else uses this vault"],
    ),
];

/// Source: <https://learn.microsoft.com/graph/resolve-auth-errors>, <https://learn.microsoft.com/graph/errors> and
/// answers of the service.
pub(super) const GRAPH: &[Code] = &[
    never(
        "Authorization_RequestDenied",
        "the token lacks a permission, or the application belongs to others while the permission is OwnedBy",
        &[
            "have an administrator consent to the permission that the error names",
            "or make the caller an owner of the application, with Application.ReadWrite.OwnedBy",
        ],
    ),
    never(
        "Authentication_MissingOrMalformed",
        "of addKey and removeKey: the proof of possession was not accepted; the access token is not meant",
        &[
            "check that the proof is signed by a certificate that is attached to this application and valid now",
            "check this machine's clock with `kvops doctor`",
        ],
    ),
    never(
        "InvalidAuthenticationToken",
        "Graph does not take the access token: expired, or for another audience",
        &["sign in again"],
    ),
    later(
        "Request_ResourceNotFound",
        "for a minute after it was created: reads come from replicas",
        "there is no such object, or not yet on this replica",
        &["check the id and --tenant"],
    ),
    later(
        "Directory_ConcurrencyViolation",
        "after some seconds, from a new reading",
        "another change in the tenant collided with this one",
        &["run the same command again: it reads anew before it writes"],
    ),
    never(
        "Request_BadRequest",
        "Graph does not accept the content; its message says which property",
        &["report this as a bug of kvops if it sent the request"],
    ),
    never(
        "Request_MultipleObjectsWithSameKeyValue",
        "an identifier URI or another unique value is taken",
        &["choose another value"],
    ),
    never(
        "KeyCredentialsInvalidEndDate",
        "the credential would outlast its certificate",
        &["let kvops take the dates from the certificate: attach it with `kvops attach --cer FILE`"],
    ),
    never(
        "KeyCredentialsInvalidStartDate",
        "the credential would begin before its certificate",
        &["let kvops take the dates from the certificate: attach it with `kvops attach --cer FILE`"],
    ),
    never(
        "CredentialInvalidLifetimeAsPerAppPolicy",
        "an app management policy of the tenant limits how long credentials may live",
        &["make a shorter one with `kvops provision --validity N`"],
    ),
    never(
        "CredentialTypeNotAllowedAsPerAppPolicy",
        "an app management policy of the tenant forbids this kind of credential",
        &["use a certificate in place of a secret", "or ask who owns the policy for an exemption"],
    ),
    later(
        "TooManyRequests",
        "after the time in Retry-After",
        "Graph's budget is spent",
        &["wait, and run fewer readers at once"],
    ),
];

/// What the shell is told; see `docs/STABILITY.md`.
pub(super) const EXITS: &[Code] = &[
    never("exit-0", "done, or nothing to do", &[]),
    never("exit-1", "there are findings at or above --fail-on, or an expectation did not hold", &["read the report"]),
    never(
        "exit-2",
        "the command line, the configuration, a waiver, a policy or a file given is wrong",
        &["mend what the error names"],
    ),
    never("exit-3", "nobody is signed in, or who is may not do this", &["run `kvops doctor`"]),
    later(
        "exit-4",
        "often: the error says `retryable`",
        "a service failed or could not be reached",
        &["run the same command again", "run `kvops doctor`"],
    ),
    never(
        "exit-5",
        "some of it was done or seen, and some was not",
        &["read the coverage, or the list of what failed"],
    ),
    never("exit-6", "the world changed meanwhile, or a record was changed", &["look at a new plan with --plan"]),
    never(
        "exit-7",
        "a policy or a safety rule says no",
        &["read which one; there is no flag to overrule most of them"],
    ),
    later("exit-130", "at once", "somebody pressed Ctrl-C", &["run the same command again: it goes on from there"]),
];
