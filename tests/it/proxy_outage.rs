//! The proxy while the services are out of order.

use kvops::lab::Service;
use serde_json::json;

use crate::support::Answer;
use crate::support::Bench;
use crate::support::Manners;
use crate::support::for_certificate;
use crate::token::provisioned;

const REQUESTS: usize = 20;

#[test]
fn a_vault_that_stands_still_for_a_minute_stops_no_token_that_is_there_and_is_not_the_end_of_the_others() {
    let bench = Bench::tame();
    let (app, _) = provisioned(&bench);
    let served = bench.serve(Manners::for_billing(&bench, &app));
    let known = for_certificate(&bench, &app);
    let mut unknown = known.clone();
    unknown["scopes"] = json!([bench.vault_scope()]);
    served.post("kv-certificate", &known).is(200);
    bench.fault(&json!({ "match": { "service": "keyvault" }, "result": { "drop": "before" } }));
    for _ in 0..6 {
        bench.lab().clock().advance(time::Duration::seconds(10));
        let hits = served.post_at_once("kv-certificate", &known, REQUESTS);
        assert!(hits.iter().all(|answer| answer.status == 200 && answer.cache() == "hit"));
        let refused = served.post_at_once("kv-certificate", &unknown, REQUESTS);
        assert!(refused.iter().all(is_told_to_come_again), "{refused:?}");
    }
    bench.no_faults();
    assert_eq!(served.post("kv-certificate", &unknown).is(200).cache(), "miss", "without a restart");
    assert_eq!(served.engine.remembered(), 2, "nothing is left of what failed");
}

#[test]
fn a_token_near_its_end_is_handed_out_while_no_new_one_can_be_had_and_not_to_its_last_second() {
    let bench = Bench::tame();
    let (app, _) = provisioned(&bench);
    let served = bench.serve(Manners::for_billing(&bench, &app));
    let body = for_certificate(&bench, &app);
    let first = served.post("kv-certificate", &body).is(200).body["access_token"].clone();
    bench.fault(&json!({ "match": { "service": "keyvault" }, "result": { "status": 503 } }));
    bench.lab().clock().advance(time::Duration::minutes(56));
    for _ in 0..2 {
        let kept = served.post("kv-certificate", &body).is(200);
        assert_eq!((kept.cache(), &kept.body["access_token"]), ("hit", &first));
    }
    bench.lab().clock().advance(time::Duration::minutes(4));
    assert!(is_told_to_come_again(&served.post("kv-certificate", &body)));
    bench.no_faults();
    assert_ne!(served.post("kv-certificate", &body).is(200).body["access_token"], first);
}

#[test]
fn a_refusal_is_not_covered_up_with_an_old_token() {
    let bench = Bench::tame();
    let (app, _) = provisioned(&bench);
    let served = bench.serve(Manners::for_billing(&bench, &app));
    let body = for_certificate(&bench, &app);
    served.post("kv-certificate", &body).is(200);
    bench.graph("PATCH", &format!("/v1.0/applications/{}", app.id), &json!({ "keyCredentials": [] }));
    bench.lab().clock().advance(time::Duration::minutes(56));
    assert_eq!(served.post("kv-certificate", &body).is(400).body["code"], "AADSTS700027");
}

#[test]
fn how_long_a_service_asks_to_wait_is_passed_on() {
    let bench = Bench::tame();
    let (app, _) = provisioned(&bench);
    let served = bench.serve(Manners::for_billing(&bench, &app));
    let result = json!({ "status": 429, "headers": { "Retry-After": "300" } });
    bench.fault(&json!({ "match": { "service": "keyvault" }, "result": result }));
    let answer = served.post("kv-certificate", &for_certificate(&bench, &app));
    assert!(is_told_to_come_again(&answer), "{answer:?}");
    assert_eq!(answer.headers["retry-after"], "300");
}

#[test]
fn tokens_that_are_there_do_not_wait_behind_those_of_a_vault_that_stalls() {
    let bench = Bench::tame();
    let (app, _) = provisioned(&bench);
    let served = bench.serve(Manners::for_billing(&bench, &app));
    let known = for_certificate(&bench, &app);
    served.post("kv-certificate", &known).is(200);
    bench.fault(&json!({ "match": { "service": "keyvault" }, "result": { "stall_ms": 20_000 } }));
    let waiting: Vec<_> = (0..100)
        .map(|number| {
            let mut body = known.clone();
            body["scopes"] = json!([format!("https://{number}.example/.default")]);
            let request = served.request("POST", "/api/Token/kv-certificate").json(&body);
            served.runtime.spawn(async move { request.send().await.unwrap().status() })
        })
        .collect();
    while served.engine.remembered() < 101 {
        std::thread::yield_now();
    }
    for _ in 0..5 {
        assert_eq!(served.post("kv-certificate", &known).is(200).cache(), "hit");
    }
    assert!(waiting.iter().all(|request| !request.is_finished()), "the vault did not stall");
    bench.no_faults();
}

#[test]
fn a_refusal_by_entra_is_not_signed_for_again_at_each_request() {
    let bench = Bench::tame();
    let (app, _) = provisioned(&bench);
    let served = bench.serve(Manners::for_billing(&bench, &app));
    let mut body = for_certificate(&bench, &app);
    body["scopes"] = json!(["https://nobody.example/.default"]);
    let signed = |mark| bench.asked(mark, Service::KeyVault).iter().filter(|it| it.path.ends_with("/sign")).count();
    let mark = bench.mark();
    let first = served.post("kv-certificate", &body).is(400).body;
    assert_eq!(first["code"], "AADSTS500011");
    for answer in served.post_at_once("kv-certificate", &body, REQUESTS) {
        assert_eq!(answer.is(400).body, first);
    }
    assert_eq!(signed(mark), 1);
    assert_eq!(served.post("kv-certificate", &for_certificate(&bench, &app)).is(200).cache(), "miss");
    bench.lab().clock().advance(time::Duration::seconds(6));
    served.post("kv-certificate", &body).is(400);
    assert_eq!(signed(mark), 3, "what was wrong may have been mended");
}

fn is_told_to_come_again(answer: &Answer) -> bool {
    answer.status == 503 && answer.headers.contains_key("retry-after") && answer.body["retryable"] == true
}
