//! A rule of the service, and the cases that show it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::scene::{Exchange, Scene};

/// Rules about one thing.
pub(crate) struct Group {
    pub(crate) title: &'static str,
    pub(crate) rules: &'static [Rule],
}

/// One rule.
pub(crate) struct Rule {
    pub(crate) says: &'static str,
    /// Where it is known from; the document explains the letters.
    pub(crate) source: &'static str,
    right: &'static [Check],
    wrong: &'static [Check],
}

/// Plays a case. Its last exchange is what the document shows: success in a right case, a refusal in a wrong one.
pub(crate) type Check = fn(&mut Scene);

/// How a case went.
pub(crate) struct Outcome {
    pub(crate) rule: &'static Rule,
    pub(crate) right: bool,
    /// The last exchange, or why there is none that fits.
    pub(crate) shown: Result<Exchange, String>,
}

impl Rule {
    /// What the service asks of a client.
    pub(crate) const fn asks(
        says: &'static str,
        source: &'static str,
        right: &'static [Check],
        wrong: &'static [Check],
    ) -> Self {
        assert!(!right.is_empty() && !wrong.is_empty());
        Self { says, source, right, wrong }
    }

    /// What the service does, or leaves to a client: nothing that a client could get wrong.
    pub(crate) const fn gives(says: &'static str, source: &'static str, right: &'static [Check]) -> Self {
        assert!(!right.is_empty());
        Self { says, source, right, wrong: &[] }
    }

    /// What the service refuses, whatever a client means by it.
    pub(crate) const fn refuses(says: &'static str, source: &'static str, wrong: &'static [Check]) -> Self {
        assert!(!wrong.is_empty());
        Self { says, source, right: &[], wrong }
    }

    /// The open question that this rule shows the choice for.
    pub(crate) fn choice(&self) -> Option<&'static str> {
        self.source.strip_prefix("choice: ")
    }
}

impl Group {
    /// Plays all cases, each in a scene of its own.
    pub(crate) fn play(&self) -> Vec<Outcome> {
        self.rules.iter().flat_map(Rule::play).collect()
    }
}

impl Rule {
    fn play(&'static self) -> impl Iterator<Item = Outcome> {
        let right = self.right.iter().map(|check| (true, check));
        let wrong = self.wrong.iter().map(|check| (false, check));
        right.chain(wrong).map(move |(right, check)| Outcome { rule: self, right, shown: play(right, *check) })
    }
}

impl Outcome {
    pub(crate) fn failure(&self) -> Option<String> {
        let why = self.shown.as_ref().err()?;
        Some(format!("{}, {}: {why}", self.rule.says, if self.right { "right" } else { "wrong" }))
    }
}

fn play(right: bool, check: Check) -> Result<Exchange, String> {
    let mut scene = Scene::start();
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(&mut scene))) {
        let text = panic.downcast_ref::<String>().cloned();
        return Err(text.or(panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default());
    }
    match scene.last() {
        None => Err("nothing was sent".to_owned()),
        Some(last) if last.succeeded != right => Err(format!("{} came back for {}", last.came, last.sent)),
        Some(last) => Ok(last),
    }
}
