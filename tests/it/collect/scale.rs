//! A larger tenant in simulated time: nothing is lost between its parts, nothing is asked twice, and no
//! budget is overdrawn.

use kvops::domain::Clock as _;
use kvops::inventory::Plan;
use kvops::inventory::State;
use kvops::lab::LabOptions;
use kvops::lab::Seed;
use serde_json::json;

use crate::support::Bench;

const APPLICATIONS: u32 = 3_500;
const PRINCIPALS: u32 = 1_200;

#[test]
fn a_tenant_in_parts_is_whole_and_costs_what_it_must() {
    let seed = Seed::Scale { applications: APPLICATIONS, principals: PRINCIPALS, vaults: 2, certificates: 30 };
    let bench = Bench::with(LabOptions { seed, ..LabOptions::default() });
    let latency = json!({ "graph": 120 });
    bench.settings(&json!({ "budgets": true, "keys_in_lists": true, "virtual_latency": latency }));
    bench.lab().control("PUT", "/clock", &json!({ "simulated": true, "quiet_ms": 10 })).unwrap();
    let (began, mark) = (bench.lab().clock().now(), bench.mark());
    let plan = Plan { most_single_reads: 0, ..bench.plan() };
    let inventory = bench.try_collect(None, &plan, &mut State::none()).unwrap();
    let took = bench.lab().clock().now() - began;

    assert!(inventory.applications.len() >= APPLICATIONS as usize);
    assert!(inventory.service_principals.len() >= PRINCIPALS as usize);
    assert!(inventory.applications.windows(2).all(|pair| pair[0].id < pair[1].id), "each once, and in order");
    assert!(inventory.applications.iter().all(|one| one.owners.read().is_some() && one.federated.read().is_some()));
    assert!(took < time::Duration::seconds(30), "{took}");

    let log = bench.lab().requests_since(mark);
    let asked =
        |path: &str, query: &str| log.iter().filter(|entry| entry.path == path && entry.query.contains(query)).count();
    let pages = |objects: u32, page: u32| objects.div_ceil(page) as usize;
    // Each class in two parts, each part with a page that is not full.
    assert!(asked("/v1.0/applications", "expand=owners") <= pages(APPLICATIONS, 100) + 8);
    let listed = asked("/v1.0/applications", "top=999") - asked("/v1.0/applications", "federated");
    assert!(listed <= 2 * (pages(APPLICATIONS, 999) + 2), "{listed}");
    let turned_away = log.iter().filter(|entry| entry.status == Some(429)).count();
    assert_eq!(turned_away, 0);
}
