//! A property test of the pure pieces of the engine, with a model of the service: over random histories, no stored part is sent
//! again, and only the bytes of the source are completed.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use crate::api::ListedPart;
use crate::limits::MIB;
use crate::plan::Plan;
use crate::source::file::Identity;
use crate::treehash::{Digest, TreeCombiner};
use crate::upload::session::parts::{Parts, StoredPart, by_index};
use crate::upload::session::resume::{PendingPart, all_parts, diff};
use crate::upload::session::source_record::{SourceMatch, SourceRecord};
use crate::upload::session::state::{Event, Operation, State};

const PARTS: u32 = 5;

/// A step of a history.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// A pending part is sent, and the service stores it.
    Stores(u32),
    /// The service stores it, and its response is lost.
    ResponseLost(u32),
    /// The service does not receive it.
    Fails(u32),
    /// The service loses a part, or its bytes.
    LosesPart(u32),
    CorruptsPart(u32),
    /// The process is killed; the last `lost` records of the journal were not on disk.
    Restarts {
        lost: usize,
        journal: bool,
    },
    /// The times of the file change, but not its bytes.
    Touches,
    /// The upload is resumed.
    Resumes,
    /// If all parts are acknowledged, Complete is sent. Its response may be lost.
    Completes {
        responded: bool,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let part = 0..PARTS;
    prop_oneof![
        8 => part.clone().prop_map(Step::Stores),
        2 => part.clone().prop_map(Step::ResponseLost),
        2 => part.clone().prop_map(Step::Fails),
        1 => part.clone().prop_map(Step::LosesPart),
        1 => part.prop_map(Step::CorruptsPart),
        2 => (0..3usize, any::<bool>()).prop_map(|(lost, journal)| Step::Restarts { lost, journal }),
        1 => Just(Step::Touches),
        4 => Just(Step::Resumes),
        4 => any::<bool>().prop_map(|responded| Step::Completes { responded }),
    ]
}

struct Service {
    stored: BTreeMap<u32, Digest>,
    archive: bool,
}

struct World {
    plan: Plan,
    service: Service,
    source: Identity,
    /// The records of the journal.
    journal: Vec<Record>,
    // The handle.
    state: State,
    source_record: SourceRecord,
    parts: Parts,
    pending: Vec<PendingPart>,
    completing: bool,
    /// The parts that the service lost or corrupted since it was last listed.
    unseen: BTreeSet<u32>,
}

#[derive(Clone, Copy)]
enum Record {
    Source(Identity),
    Part(u32, StoredPart),
}

/// The tree hash of a part of the source.
fn hash(index: u32) -> Digest {
    Digest([u8::try_from(index).unwrap() + 1; 32])
}

impl World {
    fn new() -> Self {
        let plan = Plan::new(u64::from(PARTS) * MIB - 7, Some(MIB)).unwrap();
        let source = Identity { device: 1, inode: 1, size: plan.archive_size(), modified_ns: 0, changed_ns: 0 };
        let mut source_record = SourceRecord::default();
        source_record.compare(Some(source)).unwrap();
        Self {
            plan,
            service: Service { stored: BTreeMap::new(), archive: false },
            source,
            journal: vec![Record::Source(source)],
            state: State::New.after(Event::Known).unwrap(),
            source_record,
            parts: Parts::new(MIB),
            pending: all_parts(&plan),
            completing: false,
            unseen: BTreeSet::new(),
        }
    }

    fn part(&self, index: u32) -> StoredPart {
        StoredPart { length: self.plan.range(index).unwrap().length(), tree: hash(index) }
    }

    fn apply(&mut self, step: Step) {
        match step {
            Step::Stores(index) => self.send(index, true, true),
            Step::ResponseLost(index) => self.send(index, true, false),
            Step::Fails(index) => self.send(index, false, false),
            Step::LosesPart(index) if !self.service.archive => {
                self.service.stored.remove(&index);
                self.unseen.insert(index);
            }
            Step::CorruptsPart(index) if !self.service.archive => {
                if let Some(part) = self.service.stored.get_mut(&index) {
                    *part = Digest([0xff; 32]);
                    self.unseen.insert(index);
                }
            }
            Step::LosesPart(_) | Step::CorruptsPart(_) => {}
            Step::Restarts { lost, journal } => self.restart(lost, journal),
            Step::Touches => self.source.modified_ns += 1,
            Step::Resumes => self.resume(),
            Step::Completes { responded } => self.complete(responded),
        }
    }

    /// Sends a part, if it is pending and the service does not list it.
    fn send(&mut self, index: u32, stores: bool, responded: bool) {
        if !matches!(self.state, State::Initiated | State::Transferring) {
            return;
        }
        let Some(at) = self.pending.iter().position(|todo| todo.index == index) else { return };
        let todo = self.pending.remove(at);
        self.state = self.state.after(Event::Sending).unwrap();
        todo.check_unchanged(hash(index)).unwrap();
        if todo.listed == Some(hash(index)) {
            self.acknowledged(index);
            return;
        }
        assert_ne!(self.service.stored.get(&index), Some(&hash(index)), "stored part {index} is sent again");
        self.parts.begin(index, self.part(index).length).unwrap();
        if stores {
            self.service.stored.insert(index, hash(index));
        }
        if responded {
            self.acknowledged(index);
        } else {
            // The call ends, and the pending parts with it.
            self.parts.failed(index);
            self.pending.clear();
        }
    }

    fn acknowledged(&mut self, index: u32) {
        let part = self.part(index);
        self.parts.acknowledged(index, part);
        self.source_record.insert(index, part, true);
        self.journal.push(Record::Part(index, part));
    }

    fn restart(&mut self, lost: usize, journal: bool) {
        let whole = self.journal.len().saturating_sub(lost).max(1);
        self.journal.truncate(whole);
        let mut source = None;
        let mut parts = BTreeMap::new();
        let mut trusted = BTreeSet::new();
        for record in self.journal.iter().filter(|_| journal) {
            match record {
                Record::Source(identity) => {
                    source = Some(*identity);
                    trusted.clear();
                }
                Record::Part(index, part) => {
                    parts.insert(*index, *part);
                    trusted.insert(*index);
                }
            }
        }
        self.source_record =
            SourceRecord::from_journal(source, parts.into_iter().collect(), trusted.into_iter().collect());
        self.parts = Parts::new(MIB);
        self.pending.clear();
        self.state = match (self.state, self.completing && journal) {
            (State::Completed, _) => State::Completed,
            (_, true) => State::Completing,
            _ => State::Initiated,
        };
        self.completing &= journal;
    }

    fn resume(&mut self) {
        match self.state {
            State::Completed | State::Unknown => return,
            State::Completing => return self.complete(true),
            _ if self.service.archive => return,
            _ => {}
        }
        self.state.action_for(Operation::Run).unwrap();
        let listed: Vec<_> = (self.service.stored.iter())
            .map(|(index, tree)| ListedPart { range: self.plan.range(*index).unwrap(), tree_hash: *tree })
            .collect();
        let listed = by_index(MIB, &listed).unwrap();
        if self.source_record.compare(Some(self.source)).unwrap() == SourceMatch::MaybeChanged {
            self.journal.push(Record::Source(self.source));
        }
        let diff = diff(&self.plan, &listed, &self.source_record).unwrap();
        self.parts = Parts::new(MIB);
        for (index, part) in diff.done {
            assert_eq!(self.service.stored.get(&index), Some(&part.tree), "part {index} counts as done");
            self.parts.acknowledged(index, part);
        }
        self.pending = diff.pending;
        self.unseen.clear();
    }

    fn complete(&mut self, responded: bool) {
        let size = self.plan.archive_size();
        let ready = match self.state {
            State::Completing => true,
            State::Initiated | State::Transferring => self.parts.archive_hash(size).is_ok(),
            _ => false,
        };
        if !ready {
            return;
        }
        let mut fold = TreeCombiner::default();
        (0..PARTS).for_each(|index| fold.push(hash(index)));
        let tree = fold.finish().unwrap();
        if self.state != State::Completing {
            assert_eq!(self.parts.archive_hash(size).unwrap(), tree, "other bytes than the source are completed");
        }
        self.state = self.state.after(Event::CompleteSent).unwrap();
        self.completing = true;
        let whole = (0..PARTS).all(|index| self.service.stored.get(&index) == Some(&hash(index)));
        self.service.archive |= whole;
        if !responded {
            return;
        }
        if self.service.archive {
            self.state = self.state.after(Event::Completed).unwrap();
        } else {
            assert!(!self.unseen.is_empty(), "Complete was sent although a part was listed as missing");
            self.state = self.state.after(Event::CompleteRejected).unwrap();
            self.completing = false;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn resends_no_stored_part_and_completes_only_the_source(steps in prop::collection::vec(step(), 0..60)) {
        let mut world = World::new();
        for step in steps {
            world.apply(step);
        }
        // Without further faults, the upload completes.
        for _ in 0..3 {
            world.resume();
            for index in 0..PARTS {
                world.send(index, true, true);
            }
            world.complete(true);
        }
        prop_assert!(world.service.archive);
        prop_assert!(world.state == State::Completed || !world.completing);
    }
}
