//! The one integration test binary. A file beside this one is a module here.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails where it stands")]

mod architecture;
#[cfg(feature = "lab")]
mod attach;
#[cfg(feature = "lab")]
mod audit;
#[cfg(feature = "lab")]
mod audit_chaos;
#[cfg(feature = "lab")]
mod audit_examples;
#[cfg(feature = "lab")]
mod bad_input;
#[cfg(feature = "lab")]
mod bad_input_rights;
#[cfg(feature = "lab")]
mod canary;
#[cfg(feature = "lab")]
mod canary_commands;
#[cfg(feature = "lab")]
mod cert;
#[cfg(feature = "lab")]
mod clients;
#[cfg(feature = "lab")]
mod collect;
#[cfg(feature = "lab")]
mod command_line;
#[cfg(feature = "lab")]
mod company_proxy;
#[cfg(feature = "lab")]
mod conformance;
#[cfg(feature = "lab")]
mod detach;
#[cfg(feature = "lab")]
mod doctor;
#[cfg(feature = "lab")]
mod documents;
#[cfg(feature = "lab")]
mod faults;
#[cfg(feature = "lab")]
mod faults_matrix;
#[cfg(feature = "lab")]
mod harden;
#[cfg(feature = "lab")]
mod interrupt;
#[cfg(feature = "lab")]
mod invariants;
#[cfg(feature = "lab")]
mod jwks;
#[cfg(feature = "lab")]
mod killed;
#[cfg(feature = "lab")]
mod lab_command;
#[cfg(feature = "lab")]
mod lab_control;
#[cfg(feature = "lab")]
mod lab_server;
mod ledger;
#[cfg(feature = "lab")]
mod ledger_checkpoint;
#[cfg(feature = "lab")]
mod ledger_faults;
#[cfg(feature = "lab")]
mod lost_updates;
#[cfg(feature = "lab")]
mod notices;
#[cfg(feature = "lab")]
mod plans;
#[cfg(feature = "lab")]
mod provision;
#[cfg(feature = "lab")]
mod provision_names;
#[cfg(feature = "lab")]
mod provision_parallel;
#[cfg(feature = "lab")]
mod provision_request;
#[cfg(feature = "lab")]
mod provision_spread;
#[cfg(feature = "lab")]
mod proxy_command;
#[cfg(feature = "lab")]
mod proxy_exec;
#[cfg(feature = "lab")]
mod proxy_guard;
#[cfg(feature = "lab")]
mod proxy_identity;
#[cfg(feature = "lab")]
mod proxy_outage;
#[cfg(feature = "lab")]
mod proxy_pages;
#[cfg(feature = "lab")]
mod proxy_token;
#[cfg(feature = "lab")]
mod regressions_list;
#[cfg(feature = "lab")]
mod regressions_plan;
#[cfg(feature = "lab")]
mod regressions_request;
#[cfg(feature = "lab")]
mod rotate;
#[cfg(feature = "lab")]
mod rotate_others;
#[cfg(feature = "lab")]
mod rotate_unseen;
#[cfg(feature = "lab")]
mod support;
#[cfg(feature = "lab")]
mod token;
#[cfg(feature = "lab")]
mod token_output;
#[cfg(feature = "lab")]
mod token_tenants;
#[cfg(feature = "lab")]
mod watch;
#[cfg(feature = "lab")]
mod why;
