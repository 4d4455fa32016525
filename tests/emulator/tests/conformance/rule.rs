//! A rule of the service with its cases.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::fixture::{Exchange, Fixture};

/// A group of rules.
pub(crate) struct Group {
    pub(crate) title: &'static str,
    pub(crate) rules: &'static [Rule],
}

/// One rule.
pub(crate) struct Rule {
    pub(crate) statement: &'static str,
    /// The origin of the rule. The document explains the letters.
    pub(crate) source: &'static str,
    right: &'static [Check],
    wrong: &'static [Check],
}

/// Runs a case. The document shows its last exchange: success in a correct case, a refusal in a wrong one.
pub(crate) type Check = fn(&mut Fixture);

/// The outcome of a case.
pub(crate) struct Outcome {
    pub(crate) rule: &'static Rule,
    pub(crate) right: bool,
    /// The last exchange, or the reason of a failure.
    pub(crate) shown: Result<Exchange, String>,
}

impl Rule {
    /// A rule that a client can follow or break.
    pub(crate) const fn required(
        statement: &'static str,
        source: &'static str,
        right: &'static [Check],
        wrong: &'static [Check],
    ) -> Self {
        assert!(!right.is_empty() && !wrong.is_empty());
        Self { statement, source, right, wrong }
    }

    /// A rule that a client cannot break.
    pub(crate) const fn provided(statement: &'static str, source: &'static str, right: &'static [Check]) -> Self {
        assert!(!right.is_empty());
        Self { statement, source, right, wrong: &[] }
    }

    /// A rule with refusals only.
    pub(crate) const fn refused(statement: &'static str, source: &'static str, wrong: &'static [Check]) -> Self {
        assert!(!wrong.is_empty());
        Self { statement, source, right: &[], wrong }
    }

    /// The open question whose choice this rule shows, if any.
    pub(crate) fn unspecified(&self) -> Option<&'static str> {
        self.source.strip_prefix("choice: ")
    }
}

impl Group {
    /// Runs all cases, each with its own fixture.
    pub(crate) fn run(&self) -> Vec<Outcome> {
        self.rules.iter().flat_map(Rule::run).collect()
    }
}

impl Rule {
    fn run(&'static self) -> impl Iterator<Item = Outcome> {
        let right = self.right.iter().map(|check| (true, check));
        let wrong = self.wrong.iter().map(|check| (false, check));
        right.chain(wrong).map(move |(right, check)| Outcome { rule: self, right, shown: run_check(right, *check) })
    }
}

impl Outcome {
    pub(crate) fn failure(&self) -> Option<String> {
        let why = self.shown.as_ref().err()?;
        Some(format!("{}, {}: {why}", self.rule.statement, if self.right { "right" } else { "wrong" }))
    }
}

fn run_check(right: bool, check: Check) -> Result<Exchange, String> {
    let mut fixture = Fixture::start();
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(&mut fixture))) {
        let text = panic.downcast_ref::<String>().cloned();
        return Err(text.or(panic.downcast_ref::<&str>().map(|text| (*text).to_owned())).unwrap_or_default());
    }
    match fixture.last() {
        None => Err("no request was sent".to_owned()),
        Some(last) if last.succeeded != right => Err(format!("{} was the response to {}", last.received, last.sent)),
        Some(last) => Ok(last),
    }
}
