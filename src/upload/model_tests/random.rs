//! A model of an upload and a service that forgets, against the pure pieces of the engine: whatever happens, in whatever
//! order, no part that arrived is sent again, and nothing is completed that is not the source.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use crate::api::ListedPart;
use crate::limits::MIB;
use crate::plan::Plan;
use crate::source::file::Identity;
use crate::treehash::{Digest, TreeCombiner};
use crate::upload::parts::{Parts, StoredPart};
use crate::upload::resume::{self, PendingPart, SourceRecord};
use crate::upload::state::{Event, Operation, State};

const PARTS: u32 = 5;

/// What may happen.
#[derive(Clone, Copy, Debug)]
enum Happening {
    /// A part on the list goes out, and arrives.
    Arrives(u32),
    /// It arrives, and its answer is lost.
    AnswerLost(u32),
    /// It does not arrive.
    Fails(u32),
    /// The service does not hold a part any more, or holds other bytes.
    Forgets(u32),
    Spoils(u32),
    /// The process dies; so many of the journal's last records were not on the disk.
    Dies {
        lost: usize,
        journal: bool,
    },
    /// The file is touched, but not changed.
    Touched,
    /// The call is made again.
    Resumes,
    /// All parts seem to be there: Complete is sent. Its answer may get lost.
    Completes {
        answered: bool,
    },
}

fn happening() -> impl Strategy<Value = Happening> {
    let part = 0..PARTS;
    prop_oneof![
        8 => part.clone().prop_map(Happening::Arrives),
        2 => part.clone().prop_map(Happening::AnswerLost),
        2 => part.clone().prop_map(Happening::Fails),
        1 => part.clone().prop_map(Happening::Forgets),
        1 => part.prop_map(Happening::Spoils),
        2 => (0..3usize, any::<bool>()).prop_map(|(lost, journal)| Happening::Dies { lost, journal }),
        1 => Just(Happening::Touched),
        4 => Just(Happening::Resumes),
        4 => any::<bool>().prop_map(|answered| Happening::Completes { answered }),
    ]
}

struct Service {
    holds: BTreeMap<u32, Digest>,
    archive: bool,
}

struct World {
    plan: Plan,
    service: Service,
    source: Identity,
    /// What is in the journal.
    journal: Vec<Record>,
    // The handle.
    state: State,
    known: SourceRecord,
    parts: Parts,
    todo: Vec<PendingPart>,
    completing: bool,
    /// What the service forgot or spoilt since the handle looked.
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
        let mut known = SourceRecord::default();
        known.compare(Some(source)).unwrap();
        Self {
            plan,
            service: Service { holds: BTreeMap::new(), archive: false },
            source,
            journal: vec![Record::Source(source)],
            state: State::New.after(Event::Known).unwrap(),
            known,
            parts: Parts::new(MIB),
            todo: resume::all_parts(&plan),
            completing: false,
            unseen: BTreeSet::new(),
        }
    }

    fn held(&self, index: u32) -> StoredPart {
        StoredPart { length: self.plan.range(index).unwrap().length(), tree: hash(index) }
    }

    fn happens(&mut self, happening: Happening) {
        match happening {
            Happening::Arrives(index) => self.send(index, true, true),
            Happening::AnswerLost(index) => self.send(index, true, false),
            Happening::Fails(index) => self.send(index, false, false),
            Happening::Forgets(index) if !self.service.archive => {
                self.service.holds.remove(&index);
                self.unseen.insert(index);
            }
            Happening::Spoils(index) if !self.service.archive => {
                if let Some(held) = self.service.holds.get_mut(&index) {
                    *held = Digest([0xff; 32]);
                    self.unseen.insert(index);
                }
            }
            Happening::Forgets(_) | Happening::Spoils(_) => {}
            Happening::Dies { lost, journal } => self.die(lost, journal),
            Happening::Touched => self.source.modified_ns += 1,
            Happening::Resumes => self.resume(),
            Happening::Completes { answered } => self.complete(answered),
        }
    }

    /// A part goes out, if it is on the list and what the service lists does not make that needless.
    fn send(&mut self, index: u32, arrives: bool, answered: bool) {
        if !matches!(self.state, State::Initiated | State::Transferring) {
            return;
        }
        let Some(at) = self.todo.iter().position(|todo| todo.index == index) else { return };
        let todo = self.todo.remove(at);
        self.state = self.state.after(Event::Sending).unwrap();
        todo.check_unchanged(hash(index)).unwrap();
        if todo.listed == Some(hash(index)) {
            self.acknowledged(index);
            return;
        }
        assert_ne!(self.service.holds.get(&index), Some(&hash(index)), "part {index} is there, and is sent again");
        self.parts.send(index, self.held(index).length).unwrap();
        if arrives {
            self.service.holds.insert(index, hash(index));
        }
        if answered {
            self.acknowledged(index);
        } else {
            // The call ends; what is left of its list is lost with it.
            self.parts.failed(index);
            self.todo.clear();
        }
    }

    fn acknowledged(&mut self, index: u32) {
        let held = self.held(index);
        self.parts.acknowledged(index, held);
        self.known.note(index, held, true);
        self.journal.push(Record::Part(index, held));
    }

    fn die(&mut self, lost: usize, journal: bool) {
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
                Record::Part(index, held) => {
                    parts.insert(*index, *held);
                    trusted.insert(*index);
                }
            }
        }
        self.known = SourceRecord::from_journal(source, parts, trusted);
        self.parts = Parts::new(MIB);
        self.todo.clear();
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
        self.state.answer(Operation::Run).unwrap();
        let listed: Vec<_> = (self.service.holds.iter())
            .map(|(index, tree)| ListedPart { range: self.plan.range(*index).unwrap(), tree_hash: *tree })
            .collect();
        let listed = resume::by_index(MIB, &listed).unwrap();
        if self.known.compare(Some(self.source)).unwrap() == resume::SourceMatch::MaybeChanged {
            self.journal.push(Record::Source(self.source));
        }
        let comparison = resume::diff(&self.plan, &listed, &self.known).unwrap();
        self.parts = Parts::new(MIB);
        for (index, held) in comparison.done {
            assert_eq!(self.service.holds.get(&index), Some(&held.tree), "what counts as done is there");
            self.parts.acknowledged(index, held);
        }
        self.todo = comparison.left;
        self.unseen.clear();
    }

    fn complete(&mut self, answered: bool) {
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
            assert_eq!(self.parts.archive_hash(size).unwrap(), tree, "nothing but the source is completed");
        }
        self.state = self.state.after(Event::CompleteSent).unwrap();
        self.completing = true;
        let whole = (0..PARTS).all(|index| self.service.holds.get(&index) == Some(&hash(index)));
        self.service.archive |= whole;
        if !answered {
            return;
        }
        if self.service.archive {
            self.state = self.state.after(Event::Completed).unwrap();
        } else {
            assert!(!self.unseen.is_empty(), "a hole was completed that could be seen");
            self.state = self.state.after(Event::CompleteRefused).unwrap();
            self.completing = false;
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn nothing_is_lost_and_nothing_completed_with_a_hole(happenings in prop::collection::vec(happening(), 0..60)) {
        let mut world = World::new();
        for happening in happenings {
            world.happens(happening);
        }
        // Left in peace, it comes to its end.
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
