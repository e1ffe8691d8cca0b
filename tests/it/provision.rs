//! `kvops provision` against the lab.

use crate::support::Bench;

#[test]
fn a_certificate_is_made_attached_and_proven_and_the_second_run_writes_nothing() {
    let bench = Bench::realistic();
    let app = bench.application("billing");
    let arguments = ["provision", "--app", "billing", "--vault", "contoso-kv", "--name", "billing", "--output", "json"];
    let first = bench.kvops(&arguments).ends_with(0).json();
    assert_eq!(first["outcome"], "provisioned");
    assert_eq!(first["certificate"]["exportable"], false);
    assert_eq!(first["attachment"]["method"], "PATCH");
    assert_eq!(first["proof"]["azpacr"], "2");
    assert_eq!(bench.keys_of(&app).len(), 1);

    let before = bench.lab().counts();
    let second = bench.kvops(&arguments).ends_with(0).json();
    assert_eq!(second["outcome"], "no-change");
    assert_eq!(bench.lab().counts().writes, before.writes, "the second run wrote something");
}
