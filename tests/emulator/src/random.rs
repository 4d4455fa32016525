//! Faults at random, the same again for the same seed.
//!
//! What a request meets is drawn from the seed and from which request it is: its operation, its upload, its part, and how
//! many such requests came before it. So the third attempt at part 5 meets the same whenever it comes, however the
//! client's threads interleave. Uploads are told apart by the order in which requests first name them, as their IDs differ
//! from run to run: those that one client starts one after the other replay, while of several that begin side by side
//! one may draw what another drew the last time. A script has no say in what is drawn.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use serde::{Deserialize, Deserializer, Serialize};

use crate::action::Action;
use crate::draws::Draws;
use crate::kinds::FaultKind;
use crate::request::{Operation, Target};
use crate::stop::lock;

/// Faults that requests meet at random, besides those of a script; where both would strike, the script does.
///
/// As JSON, for the admin address and the command line, with everything but `seed` optional:
///
/// ```json
/// {"seed": 7, "probability": 0.3, "combined": 0.1, "kinds": {"reset": 3, "503": 1},
///  "operations": ["UploadMultipartPart"], "in_a_row": 2, "millis": 50}
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomFaults {
    /// What everything is drawn from.
    pub seed: u64,
    /// The share of requests that meet a fault, from 0 to 1; one in five, unless it is said.
    #[serde(default = "one_in_five", deserialize_with = "share")]
    pub probability: f64,
    /// The share of those that meet two at once, from 0 to 1; one in five, unless it is said.
    #[serde(default = "one_in_five", deserialize_with = "share")]
    pub combined: f64,
    /// The kinds there are, and how often each comes in proportion to the others; all alike, unless it is said.
    #[serde(default = "all_kinds")]
    pub kinds: BTreeMap<FaultKind, u32>,
    /// Only requests of these operations; any, if there is none.
    #[serde(default)]
    pub operations: Option<Vec<Operation>>,
    /// After so many in a row for one operation, upload and part the next passes, so that any upload can be finished; 3,
    /// unless it is said.
    #[serde(default = "three")]
    pub in_a_row: u32,
    /// How long a stall lasts until the connection is closed, and what a pause, a delay or a slow body costs at most; 200,
    /// unless it is said.
    #[serde(default = "fifth_of_a_second")]
    pub millis: u64,
}

impl RandomFaults {
    /// All kinds, as often as the fields say where nothing else is said.
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            probability: one_in_five(),
            combined: one_in_five(),
            kinds: all_kinds(),
            operations: None,
            in_a_row: three(),
            millis: fifth_of_a_second(),
        }
    }

    /// Only these kinds, all alike.
    #[must_use]
    pub fn only(mut self, kinds: &[FaultKind]) -> Self {
        self.kinds = kinds.iter().map(|kind| (*kind, 1)).collect();
        self
    }

    /// What this request meets, if it meets anything.
    fn draw(&self, draws: &mut Draws, operation: Operation, length: u64) -> Vec<Action> {
        let may = self.operations.as_ref().is_none_or(|operations| operations.contains(&operation));
        if !may || !draws.chance(self.probability) {
            return Vec::new();
        }
        let mut actions = self.draw_kind(draws, operation, length);
        if draws.chance(self.combined) {
            // Any two go together: of two at one place the first acts.
            actions.extend(self.draw_kind(draws, operation, length));
        }
        actions
    }

    fn draw_kind(&self, draws: &mut Draws, operation: Operation, length: u64) -> Vec<Action> {
        let fitting = || self.kinds.iter().filter(|(kind, _)| kind.fits(operation));
        let total = fitting().map(|(_, weight)| u64::from(*weight)).sum();
        if total == 0 {
            return Vec::new();
        }
        let mut place = draws.below(total);
        for (kind, weight) in fitting() {
            match place.checked_sub(u64::from(*weight)) {
                Some(rest) => place = rest,
                None => return kind.actions(draws, length, self.millis),
            }
        }
        Vec::new()
    }
}

fn one_in_five() -> f64 {
    0.2
}

fn three() -> u32 {
    3
}

fn fifth_of_a_second() -> u64 {
    200
}

fn all_kinds() -> BTreeMap<FaultKind, u32> {
    FaultKind::ALL.iter().map(|kind| (*kind, 1)).collect()
}

fn share<'de, D: Deserializer<'de>>(deserializer: D) -> Result<f64, D::Error> {
    let share = f64::deserialize(deserializer)?;
    if (0.0..=1.0).contains(&share) {
        return Ok(share);
    }
    Err(serde::de::Error::custom(format!("{share} is no share: it goes from 0 to 1")))
}

/// The faults that are drawn for each request, if any are.
#[derive(Debug, Default)]
pub(crate) struct Random {
    state: Mutex<Option<State>>,
}

#[derive(Debug)]
struct State {
    faults: RandomFaults,
    /// Those named so far, and their places.
    uploads: HashMap<String, usize>,
    streaks: HashMap<Line, Streak>,
}

/// Requests for one thing, which follow one another.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Line {
    operation: Operation,
    upload: Option<usize>,
    part: Option<u64>,
}

#[derive(Debug, Default)]
struct Streak {
    requests: u64,
    struck: u32,
}

impl Random {
    /// Draws from these faults, from the start; from none, if there are none.
    pub(crate) fn set(&self, faults: Option<RandomFaults>) {
        let start = |faults| State { faults, uploads: HashMap::new(), streaks: HashMap::new() };
        *lock(&self.state) = faults.map(start);
    }

    /// What a request with so long a body meets.
    pub(crate) fn draw(&self, target: &Target, part: Option<u64>, length: u64) -> Vec<Action> {
        lock(&self.state).as_mut().map(|state| state.draw(target, part, length)).unwrap_or_default()
    }
}

impl State {
    fn draw(&mut self, target: &Target, part: Option<u64>, length: u64) -> Vec<Action> {
        let next = self.uploads.len();
        let upload =
            (!target.upload_id.is_empty()).then(|| *self.uploads.entry(target.upload_id.clone()).or_insert(next));
        let line = Line { operation: target.operation, upload, part };
        let which = format!("{} {line:?}", self.faults.seed);
        let streak = self.streaks.entry(line).or_default();
        let mut draws = Draws::new(&format!("{which} {}", streak.requests));
        let may = streak.struck < self.faults.in_a_row;
        let drawn = if may { self.faults.draw(&mut draws, target.operation, length) } else { Vec::new() };
        streak.requests += 1;
        streak.struck = if drawn.is_empty() { 0 } else { streak.struck + 1 };
        drawn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PART: Operation = Operation::UploadMultipartPart;

    fn target(operation: Operation, upload_id: &str) -> Target {
        let (account, vault) = ("-".to_owned(), "v".to_owned());
        Target { operation, account, vault, upload_id: upload_id.to_owned() }
    }

    fn random(faults: RandomFaults) -> Random {
        let random = Random::default();
        random.set(Some(faults));
        random
    }

    /// What so many requests for a part meet.
    fn drawn(random: &Random, upload_id: &str, part: u64, requests: usize) -> Vec<Vec<Action>> {
        (0..requests).map(|_| random.draw(&target(PART, upload_id), Some(part), 1 << 20)).collect()
    }

    #[test]
    fn draws_depend_on_the_request_and_not_on_what_came_between() {
        let (one, other) = (random(RandomFaults::new(7)), random(RandomFaults::new(7)));
        let (zero, five) = (drawn(&one, "a", 0, 40), drawn(&one, "a", 5, 40));
        assert_ne!(zero, five);
        // By turns, in another order, and under another upload's name.
        for (zero, five) in zero.iter().zip(&five) {
            other.draw(&target(Operation::ListParts, "b"), None, 0);
            other.draw(&target(Operation::InitiateMultipartUpload, ""), None, 0);
            assert_eq!((drawn(&other, "b", 5, 1), drawn(&other, "b", 0, 1)), (vec![five.clone()], vec![zero.clone()]));
        }
        assert_ne!(drawn(&other, "c", 0, 40), zero, "another upload meets something else");
        assert_ne!(drawn(&random(RandomFaults::new(8)), "a", 0, 40), zero);
        one.set(Some(RandomFaults::new(7)));
        assert_eq!(drawn(&one, "d", 0, 40), zero, "set again, it starts again");
        one.set(None);
        assert!(drawn(&one, "d", 0, 40).concat().is_empty());
    }

    #[test]
    fn so_many_in_a_row_at_most() {
        for in_a_row in [0, 1, 3] {
            let random = random(RandomFaults { probability: 1.0, in_a_row, ..RandomFaults::new(1) });
            let struck: Vec<_> = drawn(&random, "a", 0, 12).iter().map(|actions| !actions.is_empty()).collect();
            let expected: Vec<_> = (0..12).map(|i| i % (in_a_row + 1) != in_a_row).collect();
            assert_eq!(struck, expected);
        }
    }

    #[test]
    fn reads_json() {
        let least: RandomFaults = serde_json::from_str(r#"{"seed": 7}"#).unwrap();
        assert_eq!(least, RandomFaults::new(7));
        let most = r#"{"seed": 7, "probability": 1, "combined": 0, "kinds": {"reset": 3, "503": 1},
                       "operations": ["ListParts"], "in_a_row": 2, "millis": 50}"#;
        let expected = RandomFaults {
            seed: 7,
            probability: 1.0,
            combined: 0.0,
            kinds: BTreeMap::from([(FaultKind::Reset, 3), (FaultKind::ServiceUnavailable, 1)]),
            operations: Some(vec![Operation::ListParts]),
            in_a_row: 2,
            millis: 50,
        };
        assert_eq!(serde_json::from_str::<RandomFaults>(most).unwrap(), expected);
        for wrong in [
            "{}",
            r#"{"seed": -1}"#,
            r#"{"seed": 1, "probability": 1.5}"#,
            r#"{"seed": 1, "combined": -0.1}"#,
            r#"{"seed": 1, "kinds": {"flood": 1}}"#,
            r#"{"seed": 1, "kinds": {"reset": -1}}"#,
            r#"{"seed": 1, "weights": {}}"#,
        ] {
            assert!(serde_json::from_str::<RandomFaults>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn shares_and_weights_are_kept() {
        let kinds = BTreeMap::from([(FaultKind::Garbage, 3), (FaultKind::LostPart, 1), (FaultKind::Delay, 0)]);
        let faults = RandomFaults { probability: 0.4, combined: 0.0, kinds, in_a_row: 99, ..RandomFaults::new(3) };
        let met = drawn(&random(faults.clone()), "a", 0, 5000).concat();
        let count = |action: &Action| met.iter().filter(|met| *met == action).count();
        assert_eq!(count(&Action::Garbage) + count(&Action::LosePart), met.len());
        assert!((1800..2200).contains(&met.len()), "{}", met.len());
        assert!((400..600).contains(&count(&Action::LosePart)), "{}", count(&Action::LosePart));

        let twice = drawn(&random(RandomFaults { combined: 0.5, ..faults.clone() }), "a", 0, 5000);
        let [one, two] = [1, 2].map(|n| twice.iter().filter(|actions| actions.len() == n).count());
        assert!((900..1100).contains(&one) && (900..1100).contains(&two), "{one} {two}");

        let random = random(RandomFaults { operations: Some(vec![Operation::ListParts]), ..faults });
        assert!(drawn(&random, "a", 0, 500).concat().is_empty());
        let list = || random.draw(&target(Operation::ListParts, "a"), None, 0);
        let met: Vec<_> = (0..500).flat_map(|_| list()).collect();
        assert!(met.len() > 100 && met.iter().all(|action| *action == Action::Garbage), "a list loses no part");
    }
}
