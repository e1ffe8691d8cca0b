//! `ScubaGear`'s own policy about app management policies, run on what kvops exports: the engine and the export carry
//! rules that others wrote, and where both judge the same thing kvops is never the milder one.
//!
//! It needs a copy of <https://github.com/cisagov/ScubaGear> (CC0), which is not kept here: `scripts/scubagear` runs it
//! with one. Without one the test says so and does nothing.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use regorus::Engine;
use serde_json::{Value as Json, json};

use crate::audit::data::Data;
use crate::audit::document::whole;
use crate::audit::engine::judge;
use crate::audit::facts::Joined;
use crate::audit::manifest::Manifest;
use crate::audit::policy::Policy;
use crate::inventory::{Inventory, Seen};

/// Tenants of `tests/rules/differential`, and the controls that `ScubaGear` takes for met there. `docs/differential.md`
/// says why some of them are not.
const TENANTS: [(&str, &[&str]); 6] = [
    ("D01", &["MS.AAD.5.5v1", "MS.AAD.5.6v1", "MS.AAD.5.7v1"]),
    ("D02", &["MS.AAD.5.5v1", "MS.AAD.5.6v1", "MS.AAD.5.7v1"]),
    ("D03", &["MS.AAD.5.5v1", "MS.AAD.5.6v1", "MS.AAD.5.7v1"]),
    ("D18", &["MS.AAD.5.6v1", "MS.AAD.5.7v1"]),
    ("D25", &["MS.AAD.5.5v1", "MS.AAD.5.6v1"]),
    ("D26", &["MS.AAD.5.5v1", "MS.AAD.5.6v1", "MS.AAD.5.7v1"]),
];

/// `ScubaGear`'s controls, and the rules that ask for the same.
const CONTROLS: [(&str, &[&str]); 3] = [
    ("MS.AAD.5.5v1", &["KVO602", "KVO605"]),
    ("MS.AAD.5.6v1", &["KVO603", "KVO605"]),
    ("MS.AAD.5.7v1", &["KVO604", "KVO605"]),
];

#[test]
#[expect(clippy::print_stdout, reason = "a run without a copy must not look like one with it")]
fn the_rego_of_scubagear_runs_on_the_export_and_finds_nothing_that_the_rules_do_not() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/scubagear");
    if !folder.is_dir() {
        println!("skipped: there is no copy of ScubaGear's Rego in target/scubagear");
        return;
    }
    for (tenant, expected) in TENANTS {
        let inventory = tenant_of(tenant);
        let report = judge(&inventory, &Policy::default(), &Manifest::default(), &Seen::default());
        let found: BTreeSet<&str> = report.findings.iter().map(|finding| finding.rule).collect();
        let met = met(&folder, &inventory);
        println!("{tenant}: ScubaGear takes {met:?} for met, kvops finds {found:?}");
        assert_eq!(met, expected.iter().map(|control| (*control).to_owned()).collect(), "{tenant}");
        for (control, rules) in CONTROLS {
            assert!(met.contains(control) || rules.iter().any(|rule| found.contains(rule)), "{tenant}: {control}");
        }
    }
}

fn tenant_of(name: &str) -> Inventory {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/rules/differential/{name}.json"));
    let case: Json = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    serde_json::from_value(case["inventory"].clone()).unwrap()
}

/// The controls that `ScubaGear` takes for met. Its engine is lax: a built-in that fails is silence.
fn met(folder: &Path, inventory: &Inventory) -> BTreeSet<String> {
    let mut engine = Engine::new();
    engine.set_strict_builtin_errors(false);
    for file in ["AADConfig.rego", "Utils/AAD.rego", "Utils/KeyFunctions.rego", "Utils/ReportDetails.rego"] {
        let path = folder.join(file);
        engine.add_policy(path.display().to_string(), fs::read_to_string(&path).unwrap()).unwrap();
    }
    let (manifest, history, data) = (Manifest::default(), Seen::default(), Data::shipped());
    engine.set_input(translated(&whole(&Joined::new(inventory, &manifest, &history, &data))).into());
    let tests = serde_json::to_value(engine.eval_rule("data.aad.tests".to_owned()).unwrap()).unwrap();
    let control = |name: &str| CONTROLS.iter().any(|(control, _)| *control == name);
    let verdicts: Vec<(String, bool)> = tests
        .as_array()
        .unwrap()
        .iter()
        .map(|test| (test["PolicyId"].as_str().unwrap().to_owned(), test["RequirementMet"] == true))
        .filter(|(name, _)| control(name))
        .collect();
    assert_eq!(verdicts.len(), CONTROLS.len(), "{verdicts:?}");
    verdicts.into_iter().filter(|(_, is_met)| *is_met).map(|(name, _)| name).collect()
}

/// The export in `ScubaGear`'s words.
fn translated(export: &Json) -> Json {
    let policies = &export["policies"];
    let default = &policies["appManagement"];
    let custom = policies["customAppManagement"].as_array().unwrap().iter().map(|policy| {
        let names: Vec<Json> =
            policy["appliesTo"].as_array().unwrap().iter().map(|app| json!({ "DisplayName": app })).collect();
        let restrictions = restrictions(&policy["restrictions"], &json!(names));
        json!({ "IsEnabled": policy["isEnabled"], "Restrictions": restrictions })
    });
    json!({
        "default_app_management_policy": [{
            "IsEnabled": default["isEnabled"],
            "ApplicationRestrictions": restrictions(&default["applications"], &Json::Null),
            "ServicePrincipalRestrictions": restrictions(&default["servicePrincipals"], &Json::Null),
        }],
        "app_management_policies": custom.collect::<Vec<_>>(),
        "authorization_policies": [],
        "scuba_config": {},
    })
}

fn restrictions(half: &Json, applies_to: &Json) -> Json {
    let list = |name: &str| -> Vec<Json> {
        let list = half[name].as_array().unwrap().iter();
        list.map(|restriction| {
            let after = &restriction["createdAfter"];
            json!({
                "RestrictionType": restriction["kind"],
                "State": restriction["state"],
                "MaxLifetime": restriction["maxLifetime"],
                "RestrictForAppsCreatedAfterDateTime": after.as_str().unwrap_or("0001-01-01T00:00:00Z"),
                "AppliesTo": applies_to,
            })
        })
        .collect()
    };
    json!({ "PasswordCredentials": list("passwords"), "KeyCredentials": list("keys") })
}
