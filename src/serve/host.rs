//! The names by which this server may be called.
//!
//! A page can have its own name resolve to this machine, and its requests are then of one origin
//! with us. What it cannot do is to call us by another name than its own.

/// `http` or `https`: how a request has come. Each request that is let in has it among its extensions.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Scheme(pub &'static str);

/// Hosts as they stand in `Host` and in `Origin`.
#[derive(Clone, Debug)]
pub(super) struct Hosts {
    scheme: &'static str,
    listed: Listed,
}

#[derive(Clone, Debug)]
enum Listed {
    /// With their ports, in lower case.
    Exactly(Vec<String>),
    /// Names of this machine with any port: whoever has opened the socket's file knows where it is.
    AnyPort,
}

const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

impl Hosts {
    /// This machine's own names at a port, and `more` names that lead here.
    pub(super) fn loopback(port: u16, more: &[String]) -> Self {
        let names = LOOPBACK.into_iter().chain(more.iter().map(String::as_str));
        Self { scheme: "http", listed: Listed::Exactly(with_port(names, port, 80)) }
    }

    /// The names of a certificate at a port.
    pub(super) fn named(names: &[String], port: u16, more: &[String]) -> Self {
        let names = names.iter().chain(more).map(String::as_str);
        Self { scheme: "https", listed: Listed::Exactly(with_port(names, port, 443)) }
    }

    /// Any spelling of this machine.
    pub(super) fn any_port() -> Self {
        Self { scheme: "http", listed: Listed::AnyPort }
    }

    /// How callers come.
    pub(super) fn scheme(&self) -> &'static str {
        self.scheme
    }

    /// Whether a `Host` header may say this.
    pub(super) fn admit(&self, host: &str) -> bool {
        match &self.listed {
            Listed::Exactly(hosts) => hosts.iter().any(|known| known.eq_ignore_ascii_case(host)),
            Listed::AnyPort => {
                let name = match host.rsplit_once(':') {
                    Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
                    _ => host,
                };
                LOOPBACK.iter().any(|known| known.eq_ignore_ascii_case(name))
            }
        }
    }

    /// Whether an `Origin` header names our own pages.
    pub(super) fn is_own_origin(&self, origin: &str) -> bool {
        origin.split_once("://").is_some_and(|(scheme, host)| scheme == self.scheme && self.admit(host))
    }
}

fn with_port<'a>(names: impl Iterator<Item = &'a str>, port: u16, usual: u16) -> Vec<String> {
    let mut hosts = Vec::new();
    for name in names {
        let name = name.to_ascii_lowercase();
        hosts.push(format!("{name}:{port}"));
        if port == usual {
            hosts.push(name);
        }
    }
    hosts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_with_our_port_are_admitted() {
        let hosts = Hosts::loopback(5616, &["host.docker.internal".to_owned()]);
        for host in ["localhost:5616", "LOCALHOST:5616", "127.0.0.1:5616", "[::1]:5616", "host.docker.internal:5616"] {
            assert!(hosts.admit(host), "{host}");
        }
        let foreign = [
            "",
            "localhost",
            "localhost:80",
            "evil.example",
            "evil.example:5616",
            "localhost.evil.example:5616",
            "127.0.0.1.nip.io:5616",
            "127.0.0.2:5616",
            "0.0.0.0:5616",
            "[::]:5616",
            "localhost:5616.evil.example",
            "localhost:5616@evil.example",
            "evil.example@localhost:5616",
            "localhost.:5616",
            " localhost:5616",
        ];
        for host in foreign {
            assert!(!hosts.admit(host), "{host}");
        }
    }

    #[test]
    fn the_usual_port_need_not_be_said() {
        assert!(Hosts::loopback(80, &[]).admit("localhost"));
        let tls = Hosts::named(&["proxy.contoso.example".to_owned()], 443, &[]);
        assert!(tls.admit("proxy.contoso.example") && tls.admit("proxy.contoso.example:443"));
        assert!(!tls.admit("localhost"));
    }

    #[test]
    fn a_socket_takes_any_port_and_no_other_name() {
        let hosts = Hosts::any_port();
        for host in ["localhost", "localhost:1", "127.0.0.1", "[::1]", "[::1]:99"] {
            assert!(hosts.admit(host), "{host}");
        }
        for host in ["evil.example", "localhost.evil.example:1", "", ":80", "::1"] {
            assert!(!hosts.admit(host), "{host}");
        }
    }

    #[test]
    fn an_origin_is_ours_with_scheme_name_and_port() {
        let hosts = Hosts::loopback(5616, &[]);
        assert!(hosts.is_own_origin("http://localhost:5616"));
        for origin in ["https://localhost:5616", "http://localhost:5617", "http://localhost", "null", "localhost:5616"]
        {
            assert!(!hosts.is_own_origin(origin), "{origin}");
        }
    }
}
