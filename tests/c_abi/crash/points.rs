//! Processes that die at each point of their journal's life in turn: before a write, in the middle of a record, before a
//! sync. Or the power fails there: then only what was synced is left.

use std::fs;
use std::os::unix::process::ExitStatusExt;

use super::{MIB, Memory, Scene, Way, program};
use crate::harness::{run, succeed};

/// Four parts.
const SIZE: usize = 3 * MIB + 1;

/// What ends a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Death {
    Kill,
    PowerFailure,
}

/// What was met: a program that meets no points has not been tried.
#[derive(Debug, PartialEq, Eq)]
struct Met {
    points: u32,
    /// Those that left half a record.
    torn: u32,
}

#[test]
fn with_a_file() {
    let Met { points, torn } = at_each_point(Way::File, Memory::Journal, Death::Kill);
    assert!(points > 20 && torn > 5, "{points} points, {torn} torn");
}

#[test]
fn with_a_pushed_stream() {
    let Met { points, torn } = at_each_point(Way::WriteSession, Memory::Journal, Death::Kill);
    assert!(points > 20 && torn > 5, "{points} points, {torn} torn");
}

#[test]
fn with_a_callback() {
    let Met { points, torn } = at_each_point(Way::Callback, Memory::Journal, Death::Kill);
    assert!(points > 20 && torn > 5, "{points} points, {torn} torn");
}

#[test]
fn with_the_id_alone() {
    assert_eq!(at_each_point(Way::File, Memory::Initiated, Death::Kill), Met { points: 1, torn: 0 });
}

#[test]
fn with_a_file_when_the_power_fails() {
    let Met { points, torn } = at_each_point(Way::File, Memory::Journal, Death::PowerFailure);
    assert!(points > 20 && torn == 0, "{points} points, {torn} torn");
}

#[test]
fn with_a_pushed_stream_when_the_power_fails() {
    let Met { points, torn } = at_each_point(Way::WriteSession, Memory::Journal, Death::PowerFailure);
    assert!(points > 20 && torn == 0, "{points} points, {torn} torn");
}

fn at_each_point(way: Way, memory: Memory, death: Death) -> Met {
    let program = program();
    let mut met = Met { points: 0, torn: 0 };
    loop {
        let point = met.points + 1;
        let mut scene = Scene::new(&program, way, memory, SIZE);
        let mut process = scene.next_process();
        process.env("DIE_AT", point.to_string());
        if death == Death::PowerFailure {
            process.env("POWER_FAILS", "1");
        }
        let outcome = run(&mut process);
        if outcome.status.success() {
            assert!(scene.assert_right(&outcome).is_empty());
            return met;
        }
        assert_eq!(outcome.status.signal(), Some(9), "point {point}: {outcome:?}");
        scene.assert_journal_is_true();
        let length = fs::metadata(&scene.path).map_or(0, |journal| journal.len());
        met.torn += u32::from(length > scene.journal().last_parts.end as u64);
        let (initiated, remembered) = (scene.glacier.uploads().len(), scene.remembered());

        let outcome = succeed(&mut scene.next_process());
        let left = scene.assert_right(&outcome);
        assert_eq!(left.len(), if remembered.is_none() { initiated } else { 0 }, "point {point}: {left:?}");
        met.points = point;
    }
}
