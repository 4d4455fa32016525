//! Sequences of changes that the times of the file hide, if the library trusts them too early or too long. Whether a sequence
//! hides its change depends on its speed, but no correct library is deceived at any speed.

use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::actor::{Call, Kind};
use super::changes::Change;
use super::{History, MIB, Step};

/// The resolution of coarse times. See tests/c/histories.c.
const RESOLUTION: Duration = Duration::from_secs(2);

impl History<'_> {
    /// Plays one of the sequences, at the start of a history.
    pub(super) fn use_times(&mut self) {
        (self.mostly, self.is_mixing) = (Kind::File, true);
        self.stores_at = Some(self.rng.usize(..4) * 300_000);
        match self.rng.u8(..7) {
            0 | 1 => self.store_to_dirty_page(),
            2 | 3 => self.store_to_page_dirtied_during_call(),
            4 | 5 => self.change_twice_at_the_same_time(),
            _ => self.change_size_or_time_during_call(),
        }
        (self.stores_at, self.is_mixing) = (None, false);
    }

    /// The second store changes no time, unless the page was written to the disk after the first.
    fn store_to_dirty_page(&mut self) {
        self.rest();
        self.change(Change::Store);
        self.rest();
        self.make_file_call(Call::Transfer, &[]);
        self.change(Change::Store);
        self.make_file_call(Call::Run, &[]);
    }

    /// The same, but the page was written to the disk before the call, and the times become old during the call.
    fn store_to_page_dirtied_during_call(&mut self) {
        self.is_coarse = true;
        self.actor = Some(self.opened());
        align();
        self.change(Change::Store);
        self.make_file_call(Call::Transfer, &[Step::Change(Change::Store), Step::Rest]);
        self.change(Change::Store);
        self.make_file_call(Call::Run, &[]);
    }

    /// The second change leaves the coarse times that the first one set. The first one occurs late in a call that sends
    /// nothing, so that little time is between the two.
    fn change_twice_at_the_same_time(&mut self) {
        self.is_coarse = true;
        self.memory_limit = 64 << 20;
        self.make_file_call(Call::Transfer, &[]);
        self.change(Change::Chmod);
        self.rest();
        let mut opened = self.opened();
        opened.actor.hold(u32::try_from(self.original.len().div_ceil(MIB)).unwrap());
        self.make(opened, Call::Transfer, &[Step::Align, Step::Change(Change::Chmod)]);
        self.change(Change::AllWithTime);
        self.make_file_call(Call::Run, &[]);
    }

    fn change_size_or_time_during_call(&mut self) {
        self.is_coarse = false;
        let change = self.rng.choice([Change::Shorter, Change::Longer, Change::Touched]).unwrap();
        self.make_file_call(Call::Run, &[Step::Change(change)]);
    }

    /// Makes a call with the current handle or a new one, without failures. If there are steps, the first read pauses it.
    fn make_file_call(&mut self, call: Call, steps: &[Step]) {
        let mut opened = self.opened();
        if !steps.is_empty() {
            opened.actor.hold(1);
        }
        self.make(opened, call, steps);
    }
}

/// Waits for the next even second.
pub(super) fn align() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let since = Duration::new(now.as_secs() % RESOLUTION.as_secs(), now.subsec_nanos());
    thread::sleep(RESOLUTION - since);
}
