//! Executions of the transcript corpus. The format is described in `support/transcript.rs`.
//!
//! `TRANSCRIPTS=string/set cargo test transcripts` runs those whose path contains the text.

use crate::support::in_transaction::InTransactions;
use crate::support::oracle::{self, Oracle};
use crate::support::peer::Protocol;
use crate::support::process;
use crate::support::runner::{Report, run_corpus, run_groups};
use crate::support::sanderling::Sanderling;

#[test]
fn transcripts_hold_with_resp2() {
    hold(Protocol::Resp2);
}

#[test]
fn transcripts_hold_with_resp3() {
    hold(Protocol::Resp3);
}

fn hold(protocol: Protocol) {
    let flags = ["--save", "", "--enable-debug-command", "yes", "--workers", "2"];
    conclude(&run_corpus(protocol, || Ok(Sanderling::start(&flags))));
}

/// The groups of commands on data. Others are about the connection, or count commands.
const DATA: &[&str] = &[
    "bitmap",
    "generic",
    "geo",
    "hash",
    "hyperloglog",
    "list",
    "set",
    "sorted-set",
    "stream",
    "string",
];

#[test]
fn transcripts_of_data_hold_when_each_command_is_a_transaction() {
    let flags = ["--save", "", "--enable-debug-command", "yes", "--workers", "2"];
    let start = || Ok(InTransactions(Sanderling::start(&flags)));
    conclude(&run_groups(DATA, Protocol::Resp3, start));
}

#[test]
fn transcripts_hold_in_the_slow_lane_with_resp2() {
    hold_in_the_slow_lane(Protocol::Resp2);
}

#[test]
fn transcripts_hold_in_the_slow_lane_with_resp3() {
    hold_in_the_slow_lane(Protocol::Resp3);
}

/// With every command sent there that ever goes there, however little it has to do.
fn hold_in_the_slow_lane(protocol: Protocol) {
    let flags = ["--save", "", "--enable-debug-command", "yes", "--workers", "2"];
    let start = || {
        let server = Sanderling::start(&flags);
        server.engine().slow_lane.set_work_max(0);
        Ok(server)
    };
    conclude(&run_corpus(protocol, start));
}

#[test]
fn transcripts_hold_on_redis_with_resp2() {
    hold_on_redis(Protocol::Resp2);
}

#[test]
fn transcripts_hold_on_redis_with_resp3() {
    hold_on_redis(Protocol::Resp3);
}

fn hold_on_redis(protocol: Protocol) {
    let Some(program) = oracle::find() else { return };
    conclude(&run_corpus(protocol, || Oracle::start(&program)));
}

/// Prints what was left out and fails if anything did not hold.
fn conclude(report: &Report) {
    for skipped in &report.skipped {
        eprintln!("skipped: {skipped}");
    }
    let Report { files, checks, failures, skipped } = report;
    let skipped = skipped.len();
    process::announce(&format!(
        "{files} transcripts, {checks} replies checked, {skipped} parts skipped"
    ));
    assert!(*checks > 0, "no reply was checked: is a group or file misnamed?");
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
}
