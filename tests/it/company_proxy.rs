//! Working through a company's proxy, as the environment names it.

use crate::support::Bench;
use crate::support::Manner;
use crate::support::Proxy;
use crate::support::VAULT;

const BILLING: [&str; 9] = ["provision", "--app", "billing", "--vault", VAULT, "--name", "billing", "--output", "json"];

/// A bench whose cloud has names that only the proxy can resolve, and a root that only it has.
fn behind(manner: Manner) -> (Bench, Proxy) {
    let mut bench = Bench::tame();
    bench.application("billing");
    let proxy = Proxy::start(&bench, manner);
    let config = std::fs::read_to_string(bench.file("kvops.toml")).unwrap();
    let config: String =
        config.lines().filter(|line| !line.starts_with("resolve")).map(|line| format!("{line}\n")).collect();
    std::fs::write(bench.file("kvops.toml"), config).unwrap();
    std::fs::write(bench.file("proxy.pem"), &proxy.ca_pem).unwrap();
    bench.set("HTTPS_PROXY", &proxy.url());
    bench.set("KVOPS_CA", "proxy.pem");
    (bench, proxy)
}

#[test]
fn every_request_goes_through_the_proxy_that_the_environment_names() {
    for manner in [Manner::Tunnel, Manner::Inspect, Manner::Encrypted] {
        let (bench, proxy) = behind(manner);
        let mark = bench.mark();
        bench.kvops(&BILLING).ends_with(0);
        assert!(bench.mark() > mark + 20, "{manner:?}");
        let port = bench.lab().port();
        let mut targets = proxy.targets();
        targets.sort();
        targets.dedup();
        assert_eq!(targets, [format!("{VAULT}.vault.localhost:{port}"), format!("localhost:{port}")], "{manner:?}");
    }
}

#[test]
fn connections_are_kept_open_for_the_next_request() {
    let (bench, proxy) = behind(Manner::Inspect);
    let mark = bench.mark();
    bench.kvops(&BILLING).ends_with(0);
    let (connections, requests) = (proxy.targets().len() as u64, bench.mark() - mark);
    assert!(connections * 4 < requests, "{connections} connections for {requests} requests");
}

#[test]
fn a_proxy_that_looks_inside_is_believed_only_when_its_root_is_given() {
    let (mut bench, _proxy) = behind(Manner::Inspect);
    bench.set("KVOPS_CA", "");
    let mark = bench.mark();
    let ran = bench.kvops(&BILLING).ends_with(4);
    assert!(!ran.stderr.contains("ERROR"), "a library spoke: {ran:?}");
    let error = ran.error();
    assert!(error["hints"].to_string().contains("KVOPS_CA"), "{error}");
    assert_eq!(bench.mark(), mark, "something was sent to somebody unknown");
}

#[test]
fn hosts_that_no_proxy_names_are_reached_directly() {
    let mut bench = Bench::tame();
    bench.application("billing");
    let proxy = Proxy::start(&bench, Manner::Tunnel);
    bench.set("HTTPS_PROXY", &proxy.url());
    bench.set("NO_PROXY", "vault.localhost");
    bench.kvops(&BILLING).ends_with(0);
    let port = bench.lab().port();
    assert!(proxy.targets().iter().all(|target| *target == format!("localhost:{port}")), "{:?}", proxy.targets());
    assert!(!proxy.targets().is_empty());
    bench.set("NO_PROXY", "localhost");
    let before = proxy.targets().len();
    bench.kvops(&BILLING).ends_with(0);
    assert_eq!(proxy.targets().len(), before);
}

#[test]
fn a_proxy_that_is_not_there_is_said_without_its_password() {
    let mut bench = Bench::tame();
    bench.application("billing");
    bench.set("HTTPS_PROXY", "http://carol:hunter2@127.0.0.1:9");
    let ran = bench.kvops(&[&BILLING[..], &["-vv", "--trace"]].concat()).ends_with(4);
    assert!(ran.error()["hints"].to_string().contains("HTTPS_PROXY"), "{ran:?}");
    assert!(!ran.stderr.contains("hunter2"), "{ran:?}");
}
