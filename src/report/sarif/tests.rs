use serde_json::Value;

use super::*;
use crate::audit::{Manifest, ManifestEntry};
use crate::report::{Format, Locations, sample};

fn run(report: &Report, options: &Options) -> Value {
    let log: Value = serde_json::from_str(&sample::written_with(report, Format::Sarif, options)).unwrap();
    assert_eq!(log["version"], "2.1.0");
    log["runs"][0].clone()
}

fn with_manifest() -> Options {
    let entry = ManifestEntry {
        file: "kvops.toml".into(),
        line: 12,
        vault: Some("kv-billing".to_owned()),
        certificate: Some("billing".to_owned()),
        ..ManifestEntry::default()
    };
    let app = sample::finding().subject.app_id.unwrap();
    let manifest = Manifest { entries: [(app, entry)].into(), ..Manifest::default() };
    Options { locations: Locations::new(manifest.clone(), ""), manifest, ..Options::default() }
}

#[test]
fn a_result_stands_at_its_line_and_names_the_cloud_object_and_its_other_side() {
    insta::assert_json_snapshot!(run(&sample::report(), &with_manifest())["results"][0], @r#"
    {
      "ruleId": "KVO101",
      "ruleIndex": 0,
      "level": "error",
      "message": {
        "text": "=cmd|' /C calc'!A0 \\\\u{{1b}}\\[2J<script>alert(1)</script> | \\[x\\](javascript:1) @everyone\\\\u{{d}}\\\\u{{a}}::error::%0A\\]\\]> \\\\u{{202e}}gnp;##vso\\[task.complete… (7b0f0000-0000-4000-8000-000000000001): a client secret lives 730 days, past the limit of 180. Severity critical from high: the application can become Global Administrator. What to do: kvops provision --app 7b0f0000-0000-4000-8000-000000000001 --vault VAULT --name NAME.",
        "markdown": "[=cmd\\|' /C calc'\\!A0 \\\\u\\{{1b\\}}\\[2J&lt;script&gt;alert\\(1\\)&lt;/script&gt; \\| \\[x\\]\\(javascript:<!-- -->1\\) @<!-- -->everyone\\\\u\\{{d\\}}\\\\u\\{{a\\}}:<!-- -->:<!-- -->error:<!-- -->:<!-- -->%0A\\]\\]&gt; \\\\u\\{{202e\\}}gnp;#<!-- -->#<!-- -->vso\\[task.complete… \\(7b0f0000-0000-4000-8000-000000000001\\)](https://entra.microsoft.com/#view/Microsoft_AAD_RegisteredApps/ApplicationMenuBlade/~/Credentials/appId/7b0f0000-0000-4000-8000-000000000001): a client secret lives 730 days, past the limit of 180. Severity critical from high:<!-- --> the application can become Global Administrator.\n\n**What to do:** kvops provision --app 7b0f0000-0000-4000-8000-000000000001 --vault VAULT --name NAME"
      },
      "locations": [
        {
          "physicalLocation": {
            "artifactLocation": {
              "uri": "kvops.toml",
              "uriBaseId": "%SRCROOT%"
            },
            "region": {
              "startLine": 12,
              "startColumn": 1,
              "endLine": 12,
              "endColumn": 2
            }
          },
          "logicalLocations": [
            {
              "fullyQualifiedName": "entra/72f988bf-0000-4000-8000-2d7cd011db47/applications/7b0f0000-0000-4000-8000-000000000001/passwordCredentials/aaaa0000-0000-4000-8000-000000000001",
              "kind": "resource"
            }
          ]
        }
      ],
      "relatedLocations": [
        {
          "id": 0,
          "physicalLocation": {
            "artifactLocation": {
              "uri": "kvops.toml",
              "uriBaseId": "%SRCROOT%"
            },
            "region": {
              "startLine": 12,
              "startColumn": 1,
              "endLine": 12,
              "endColumn": 2
            }
          },
          "logicalLocations": [
            {
              "fullyQualifiedName": "keyvault/kv-billing/certificates/billing",
              "kind": "resource"
            }
          ],
          "message": {
            "text": "The certificate billing in the vault kv-billing."
          }
        }
      ],
      "partialFingerprints": {
        "primaryLocationLineHash": "0337df410b96ef459c3d5bbff7dd96bd2ca262108ce67e539f6df32ad90e8210"
      },
      "properties": {
        "severity": "critical",
        "state": "new"
      }
    }
    "#);
}

#[test]
fn incomplete_coverage_is_no_success_and_says_what_to_grant() {
    let run = run(&sample::report(), &Options::default());
    insta::assert_json_snapshot!(run["invocations"], @r#"
    [
      {
        "executionSuccessful": false,
        "toolExecutionNotifications": [
          {
            "descriptor": {
              "id": "kvops-not-read",
              "index": 0
            },
            "level": "warning",
            "message": {
              "text": "certificates not read: firewall at kv-private; 1 object not evaluated by KVO201; grant network access to kv-private."
            }
          }
        ]
      }
    ]
    "#);
    assert_eq!(run["automationDetails"]["id"], "kvops/72f988bf-0000-4000-8000-2d7cd011db47/");
}

#[test]
fn a_clean_run_is_written_too_with_every_rule_that_ran() {
    let run = run(&sample::clean(), &Options::default());
    assert_eq!(run["results"], Value::Array(vec![]));
    assert_eq!(run["invocations"][0]["executionSuccessful"], true);
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    let ids: Vec<_> = rules.iter().map(|rule| rule["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["KVO101", "KVO201"]);
    assert!(rules[0]["help"]["markdown"].as_str().unwrap().starts_with("# KVO101"));
    assert_eq!(rules[1]["properties"]["security-severity"], "8.0");
}

#[test]
fn what_is_waived_is_left_out_unless_asked_for_and_then_justified() {
    let report = sample::report();
    assert_eq!(run(&report, &Options::default())["results"].as_array().unwrap().len(), 2);
    let all = run(&report, &Options { sarif_include_suppressed: true, ..Options::default() });
    let results = all["results"].as_array().unwrap();
    assert_eq!(results.len(), 3);
    assert_eq!(results[1]["suppressions"][0]["kind"], "external");
    assert!(results[1]["suppressions"][0]["justification"].as_str().unwrap().contains("SEC-4711"));
}

#[test]
fn there_are_at_most_five_thousand_results_and_the_last_tells_of_the_others() {
    let run = run(&sample::large(100_000), &Options::default());
    let results = run["results"].as_array().unwrap();
    assert_eq!(results.len(), MAX_RESULTS);
    let last = results.last().unwrap();
    assert_eq!(last["ruleId"], MORE);
    assert!(last["message"]["text"].as_str().unwrap().starts_with("95001 more findings"));
    // Those that are shown are the worst ones.
    assert!(results[..MAX_RESULTS - 1].iter().all(|result| result["properties"]["severity"] == "critical"));
}

#[test]
fn every_result_points_at_its_rule_and_carries_the_fingerprint_that_github_follows() {
    let run = run(&sample::report(), &Options::default());
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    for result in run["results"].as_array().unwrap() {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(rules[index]["id"], result["ruleId"]);
        assert_eq!(result["partialFingerprints"]["primaryLocationLineHash"].as_str().unwrap().len(), 64);
        let uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].as_str().unwrap();
        assert_eq!(uri, "kvops.toml");
    }
}

#[test]
fn a_rule_that_somebody_added_is_in_the_list_with_its_id() {
    let mut report = sample::report();
    let mut findings: Vec<_> = report.findings.iter().collect();
    findings[0].rule = "team-naming";
    report.findings.replace(findings);
    let run = run(&report, &Options::default());
    let rules = run["tool"]["driver"]["rules"].as_array().unwrap();
    assert!(rules.iter().any(|rule| rule["id"] == "team-naming"));
    assert_eq!(run["results"][0]["ruleId"], "team-naming");
}
