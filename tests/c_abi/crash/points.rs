//! Processes that die at each point of their journal's life in turn: before a write, in the middle of a record, before a sync.

use super::journal::Journal;
use super::{MIB, Memory, Scene, Way, program};
use crate::harness::{run, succeed};

/// Four parts.
const SIZE: usize = 3 * MIB + 1;

#[test]
fn with_a_file() {
    each(Way::File, Memory::Journal, 25);
}

#[test]
fn with_a_pushed_stream() {
    each(Way::Pushed, Memory::Journal, 25);
}

#[test]
fn with_a_callback() {
    each(Way::Callback, Memory::Journal, 25);
}

#[test]
fn with_the_id_alone() {
    each(Way::File, Memory::Initiated, 1);
}

/// `least`: of the points, so that a program that meets none does not look right.
fn each(way: Way, memory: Memory, least: usize) {
    let program = program();
    let mut torn = 0;
    for point in 1.. {
        let mut scene = Scene::new(&program, way, memory, SIZE);
        let outcome = run(scene.next_process().env("DIE_AT", point.to_string()));
        if outcome.status.success() {
            assert!(scene.assert_right(&outcome).is_empty());
            assert!(point > least && (torn > 0 || memory != Memory::Journal), "{point} points, {torn} in a record");
            return;
        }
        assert_eq!(std::os::unix::process::ExitStatusExt::signal(&outcome.status), Some(9), "{point}: {outcome:?}");
        scene.assert_journal_is_true();
        let (initiated, remembered) = (scene.glacier.uploads().len(), scene.remembered());
        let Journal { last_parts, .. } = scene.journal();
        torn += usize::from(std::fs::metadata(&scene.path).is_ok_and(|file| file.len() > last_parts.end as u64));

        let outcome = succeed(&mut scene.next_process());
        let left = scene.assert_right(&outcome);
        assert_eq!(left.len(), if remembered.is_none() { initiated } else { 0 }, "point {point}: {left:?}");
    }
}
