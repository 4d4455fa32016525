//! Processes that die at each point of their journal: before a write, in the middle of a record, before a sync. Or the
//! power fails at the point, and only synced data is left.

use std::fs;
use std::os::unix::process::ExitStatusExt;

use super::{Fixture, IdStore, MIB, SourceKind, program};
use crate::harness::{run, succeed};

/// The size of four parts.
const SIZE: usize = 3 * MIB + 1;

/// The cause of a process's death.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Death {
    Kill,
    PowerFailure,
}

/// The number of points: a program that reaches no point tests nothing.
#[derive(Debug, PartialEq, Eq)]
struct Stats {
    points: u32,
    /// The points that left half a record.
    torn: u32,
}

#[test]
fn with_file_source() {
    let Stats { points, torn } = at_each_point(SourceKind::File, IdStore::Journal, Death::Kill);
    assert!(points > 20 && torn > 5, "{points} points, {torn} torn");
}

#[test]
fn with_write_stream() {
    let Stats { points, torn } = at_each_point(SourceKind::WriteSession, IdStore::Journal, Death::Kill);
    assert!(points > 20 && torn > 5, "{points} points, {torn} torn");
}

#[test]
fn with_callback_source() {
    let Stats { points, torn } = at_each_point(SourceKind::Callback, IdStore::Journal, Death::Kill);
    assert!(points > 20 && torn > 5, "{points} points, {torn} torn");
}

#[test]
fn with_upload_id_only() {
    assert_eq!(at_each_point(SourceKind::File, IdStore::Initiated, Death::Kill), Stats { points: 1, torn: 0 });
}

#[test]
fn with_file_source_and_power_failure() {
    let Stats { points, torn } = at_each_point(SourceKind::File, IdStore::Journal, Death::PowerFailure);
    assert!(points > 20 && torn == 0, "{points} points, {torn} torn");
}

#[test]
fn with_write_stream_and_power_failure() {
    let Stats { points, torn } = at_each_point(SourceKind::WriteSession, IdStore::Journal, Death::PowerFailure);
    assert!(points > 20 && torn == 0, "{points} points, {torn} torn");
}

fn at_each_point(source_kind: SourceKind, id_store: IdStore, death: Death) -> Stats {
    let program = program();
    let mut met = Stats { points: 0, torn: 0 };
    loop {
        let point = met.points + 1;
        let mut fixture = Fixture::new(&program, source_kind, id_store, SIZE);
        let mut process = fixture.next_process();
        process.env("DIE_AT", point.to_string());
        if death == Death::PowerFailure {
            process.env("POWER_FAILS", "1");
        }
        let outcome = run(&mut process);
        if outcome.status.success() {
            assert!(fixture.assert_complete(&outcome).is_empty());
            return met;
        }
        assert_eq!(outcome.status.signal(), Some(9), "point {point}: {outcome:?}");
        fixture.assert_journal_matches_service();
        let length = fs::metadata(&fixture.path).map_or(0, |journal| journal.len());
        met.torn += u32::from(length > fixture.journal().last_parts.end as u64);
        let (initiated, known_id) = (fixture.glacier.uploads().len(), fixture.known_id());

        let outcome = succeed(&mut fixture.next_process());
        let left = fixture.assert_complete(&outcome);
        assert_eq!(left.len(), if known_id.is_none() { initiated } else { 0 }, "point {point}: {left:?}");
        met.points = point;
    }
}
