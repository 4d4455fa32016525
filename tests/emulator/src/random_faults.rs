//! Random faults that repeat for the same seed.
//!
//! The faults of a request depend on the seed and on the request's identity: its operation, upload and part, and the
//! number of such requests before it. The third attempt at part 5 thus always gets the same faults, in any interleaving of
//! the client's threads. Upload IDs differ between runs, so an upload is identified by the order in which requests first
//! name it. Uploads that one client starts one after the other repeat exactly. Uploads that start concurrently may swap
//! their faults. Scripted faults do not change the random ones.

use std::collections::{BTreeMap, HashMap};
use std::sync::Mutex;

use serde::{Deserialize, Deserializer, Serialize};

use crate::action::Action;
use crate::fault_kind::FaultKind;
use crate::prng::SeededDraws;
use crate::request::{Operation, Target};
use crate::stop::lock;

/// Settings of random faults. If a scripted fault applies to the same request, the scripted fault is used.
///
/// In JSON, for the admin path and the command line, only `seed` is required:
///
/// ```json
/// {"seed": 7, "probability": 0.3, "combined": 0.1, "kinds": {"reset": 3, "503": 1},
///  "operations": ["UploadMultipartPart"], "in_a_row": 2, "millis": 50}
/// ```
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RandomFaults {
    /// The seed.
    pub seed: u64,
    /// The probability that a request gets a fault, from 0 to 1. The default is 0.2.
    #[serde(default = "one_in_five", deserialize_with = "share")]
    pub probability: f64,
    /// The probability that a request with a fault gets a second one, from 0 to 1. The default is 0.2.
    #[serde(default = "one_in_five", deserialize_with = "share")]
    pub combined: f64,
    /// The kinds and their weights. By default all kinds have the same weight.
    #[serde(default = "all_kinds")]
    pub kinds: BTreeMap<FaultKind, u32>,
    /// The operations of the requests. `None` matches every operation.
    #[serde(default)]
    pub operations: Option<Vec<Operation>>,
    /// The maximum number of consecutive requests with faults for one operation, upload and part. The next request has no
    /// fault, so that every upload can finish. The default is 3.
    #[serde(default = "three")]
    pub in_a_row: u32,
    /// The duration of a stall in milliseconds, and the maximum duration of a pause, a delay or a slow body. The default is
    /// 200.
    #[serde(default = "fifth_of_a_second")]
    pub millis: u64,
}

impl RandomFaults {
    /// All kinds, with the default settings.
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

    /// Uses only these kinds, with equal weights.
    #[must_use]
    pub fn only(mut self, kinds: &[FaultKind]) -> Self {
        self.kinds = kinds.iter().map(|kind| (*kind, 1)).collect();
        self
    }

    /// Returns the actions for this request. The result is empty for a request without a fault.
    fn draw(&self, draws: &mut SeededDraws, operation: Operation, length: u64) -> Vec<Action> {
        let may = self.operations.as_ref().is_none_or(|operations| operations.contains(&operation));
        if !may || !draws.chance(self.probability) {
            return Vec::new();
        }
        let mut actions = self.draw_kind(draws, operation, length);
        if draws.chance(self.combined) {
            // Every combination is valid: if two actions apply at one stage, the first is used.
            actions.extend(self.draw_kind(draws, operation, length));
        }
        actions
    }

    fn draw_kind(&self, draws: &mut SeededDraws, operation: Operation, length: u64) -> Vec<Action> {
        let fitting = || self.kinds.iter().filter(|(kind, _)| kind.fits(operation));
        let total = fitting().map(|(_, weight)| u64::from(*weight)).sum();
        if total == 0 {
            return Vec::new();
        }
        let mut place = draws.below(total);
        for (kind, weight) in fitting() {
            match place.checked_sub(u64::from(*weight)) {
                Some(rest) => place = rest,
                None => return kind.actions(draws, operation, length, self.millis),
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

/// The random faults of a service, if they are enabled.
#[derive(Debug, Default)]
pub(crate) struct RandomFaultSource {
    state: Mutex<Option<State>>,
}

#[derive(Debug)]
struct State {
    faults: RandomFaults,
    /// The uploads named so far, with their ordinal numbers.
    uploads: HashMap<String, usize>,
    counts: HashMap<RequestKey, RequestCount>,
}

/// The identity that consecutive attempts at one request share.
#[derive(Debug, PartialEq, Eq, Hash)]
struct RequestKey {
    operation: Operation,
    upload: Option<usize>,
    part: Option<u64>,
}

#[derive(Debug, Default)]
struct RequestCount {
    requests: u64,
    faults_in_a_row: u32,
}

impl RandomFaultSource {
    /// Restarts with these settings. `None` disables random faults.
    pub(crate) fn set(&self, faults: Option<RandomFaults>) {
        let start = |faults| State { faults, uploads: HashMap::new(), counts: HashMap::new() };
        *lock(&self.state) = faults.map(start);
    }

    /// Returns the actions for a request with a body of this length.
    pub(crate) fn draw(&self, target: &Target, part: Option<u64>, length: u64) -> Vec<Action> {
        lock(&self.state).as_mut().map(|state| state.draw(target, part, length)).unwrap_or_default()
    }
}

impl State {
    fn draw(&mut self, target: &Target, part: Option<u64>, length: u64) -> Vec<Action> {
        let next = self.uploads.len();
        let upload =
            (!target.upload_id.is_empty()).then(|| *self.uploads.entry(target.upload_id.clone()).or_insert(next));
        let key = RequestKey { operation: target.operation, upload, part };
        let which = format!("{} {key:?}", self.faults.seed);
        let count = self.counts.entry(key).or_default();
        let mut draws = SeededDraws::new(&format!("{which} {}", count.requests));
        let may = count.faults_in_a_row < self.faults.in_a_row;
        let drawn = if may { self.faults.draw(&mut draws, target.operation, length) } else { Vec::new() };
        count.requests += 1;
        count.faults_in_a_row = if drawn.is_empty() { 0 } else { count.faults_in_a_row + 1 };
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

    fn random(faults: RandomFaults) -> RandomFaultSource {
        let random = RandomFaultSource::default();
        random.set(Some(faults));
        random
    }

    /// The faults of consecutive requests for one part.
    fn drawn(random: &RandomFaultSource, upload_id: &str, part: u64, requests: usize) -> Vec<Vec<Action>> {
        (0..requests).map(|_| random.draw(&target(PART, upload_id), Some(part), 1 << 20)).collect()
    }

    #[test]
    fn faults_depend_on_the_request_not_on_the_order() {
        let (one, other) = (random(RandomFaults::new(7)), random(RandomFaults::new(7)));
        let (zero, five) = (drawn(&one, "a", 0, 40), drawn(&one, "a", 5, 40));
        assert_ne!(zero, five);
        // The requests alternate, in another order, and under another upload ID.
        for (zero, five) in zero.iter().zip(&five) {
            other.draw(&target(Operation::ListParts, "b"), None, 0);
            other.draw(&target(Operation::InitiateMultipartUpload, ""), None, 0);
            assert_eq!((drawn(&other, "b", 5, 1), drawn(&other, "b", 0, 1)), (vec![five.clone()], vec![zero.clone()]));
        }
        assert_ne!(drawn(&other, "c", 0, 40), zero, "another upload gets other faults");
        assert_ne!(drawn(&random(RandomFaults::new(8)), "a", 0, 40), zero);
        one.set(Some(RandomFaults::new(7)));
        assert_eq!(drawn(&one, "d", 0, 40), zero, "set restarts the sequence");
        one.set(None);
        assert!(drawn(&one, "d", 0, 40).concat().is_empty());
    }

    #[test]
    fn limits_consecutive_faults() {
        for in_a_row in [0, 1, 3] {
            let random = random(RandomFaults { probability: 1.0, in_a_row, ..RandomFaults::new(1) });
            let struck: Vec<_> = drawn(&random, "a", 0, 12).iter().map(|actions| !actions.is_empty()).collect();
            let expected: Vec<_> = (0..12).map(|i| i % (in_a_row + 1) != in_a_row).collect();
            assert_eq!(struck, expected);
        }
    }

    #[test]
    fn parses_json() {
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
    fn keeps_probabilities_and_weights() {
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
        assert!(met.len() > 100 && met.iter().all(|action| *action == Action::Garbage), "a list cannot lose a part");
    }
}
