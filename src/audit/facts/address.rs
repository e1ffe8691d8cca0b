//! What is wrong with an address that users are sent back to. The address is parsed as browsers parse it: no
//! piece of text in it proves anything.

use std::net::{Ipv4Addr, Ipv6Addr};

use url::{Host, Url};

/// Why an address must not be trusted with a code or a token.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum AddressFault {
    /// Whoever is on the way can read what is sent there.
    PlainHttp,
    /// Whoever gets any name below it receives what is sent there.
    Wildcard,
    /// A number, for which nobody has a certificate that says whose it is.
    IpLiteral,
    /// It is written to look like this machine, or like another host, and is not.
    LookAlike,
}

/// Text that no browser takes for an address.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
#[error("not an address")]
pub struct InvalidAddress;

impl AddressFault {
    /// The fault of an address, worst first; `None` when it has none that can be seen from here.
    pub fn of(address: &str) -> Result<Option<Self>, InvalidAddress> {
        let url = Url::parse(address).map_err(|_| InvalidAddress)?;
        if !matches!(url.scheme(), "http" | "https") {
            // What apps on devices register is no host: `urn:ietf:wg:oauth:2.0:oob`, `msauth.bundle://auth`.
            return Ok(None);
        }
        let host = url.host().ok_or(InvalidAddress)?;
        if is_this_machine(&host) {
            return Ok((!url.username().is_empty()).then_some(Self::LookAlike));
        }
        let name = url.host_str().unwrap_or_default();
        Ok(if name.contains('*') {
            Some(Self::Wildcard)
        } else if url.scheme() == "http" {
            Some(Self::PlainHttp)
        } else if !matches!(host, Host::Domain(_)) {
            Some(Self::IpLiteral)
        } else if !url.username().is_empty() || pretends_to_be_this_machine(name) {
            Some(Self::LookAlike)
        } else {
            None
        })
    }

    /// As findings say it of an address.
    pub const fn words(self) -> &'static str {
        match self {
            Self::PlainHttp => "uses http to a host that is not this machine",
            Self::Wildcard => "leaves part of the host open",
            Self::IpLiteral => "names its host by an IP address",
            Self::LookAlike => "only looks as if it led to a host that it does not lead to",
        }
    }
}

/// The three hosts for which Entra takes http.
fn is_this_machine(host: &Host<&str>) -> bool {
    match host {
        Host::Domain(name) => *name == "localhost",
        Host::Ipv4(address) => *address == Ipv4Addr::LOCALHOST,
        Host::Ipv6(address) => *address == Ipv6Addr::LOCALHOST,
    }
}

/// `localhost.evil.example`, `127.0.0.1.evil.example`.
fn pretends_to_be_this_machine(name: &str) -> bool {
    let name = name.trim_end_matches('.');
    name.starts_with("localhost.") || name.starts_with("127.0.0.1.") || name.starts_with("localhost-")
}

#[cfg(test)]
mod tests {
    use super::AddressFault::{IpLiteral, LookAlike, PlainHttp, Wildcard};
    use super::*;

    #[test]
    fn an_address_is_judged_by_its_parts_and_not_by_its_text() {
        let cases = [
            ("https://billing.contoso.com/signin", None),
            ("http://localhost:8080/x", None),
            ("http://LOCALHOST/x", None),
            ("http://127.0.0.1", None),
            ("http://0x7f.1/x", None),
            ("http://[::1]:3000/", None),
            ("https://localhost/x", None),
            ("urn:ietf:wg:oauth:2.0:oob", None),
            ("msauth.com.contoso.app://auth", None),
            ("https://contoso.com/?next=http://localhost", None),
            ("http://billing.contoso.com", Some(PlainHttp)),
            ("HTTP://billing.contoso.com", Some(PlainHttp)),
            ("http://localhost.evil.example", Some(PlainHttp)),
            ("http://evil.example/localhost", Some(PlainHttp)),
            ("http://evil.example?localhost", Some(PlainHttp)),
            ("http://localhost@evil.example", Some(PlainHttp)),
            ("http:\\\\evil.example\\localhost", Some(PlainHttp)),
            ("http://127.0.0.2", Some(PlainHttp)),
            ("https://localhost.evil.example", Some(LookAlike)),
            ("https://127.0.0.1.evil.example/x", Some(LookAlike)),
            ("https://localhost@evil.example", Some(LookAlike)),
            ("https://user@localhost", Some(LookAlike)),
            ("https://*.contoso.com/signin", Some(Wildcard)),
            ("http://*.contoso.com/signin", Some(Wildcard)),
            ("https://10.0.0.5/x", Some(IpLiteral)),
            ("https://2130706434/", Some(IpLiteral)),
            ("https://[2001:db8::1]/", Some(IpLiteral)),
        ];
        for (address, expected) in cases {
            assert_eq!(AddressFault::of(address), Ok(expected), "{address}");
        }
    }

    #[test]
    fn what_is_no_address_is_not_judged() {
        for text in ["", "billing.contoso.com", "https://", "https://[::1", "http://a b/"] {
            assert_eq!(AddressFault::of(text), Err(InvalidAddress), "{text}");
        }
    }
}
