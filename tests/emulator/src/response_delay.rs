//! The delay of all responses, except those that a fault sends early. One that is longer than the interval between two progress
//! reports shows which tests rely on a fast service.

use std::env;
use std::time::Duration;

use crate::number;

/// The variable with the default, so that whole test suites can run against a slow service.
const VARIABLE: &str = "GLACIER_EMULATOR_RESPONSE_DELAY";

/// The maximum in milliseconds: one hour.
const MAX_MS: u64 = 3_600_000;

/// Returns the delay of the variable `GLACIER_EMULATOR_RESPONSE_DELAY` in milliseconds, or none.
///
/// # Errors
/// The value and its rule.
pub fn from_environment() -> Result<Duration, String> {
    env::var_os(VARIABLE).map_or(Ok(Duration::ZERO), |value| parse(VARIABLE, &value.to_string_lossy()))
}

/// Parses a delay in milliseconds.
///
/// # Errors
/// The name, the value and its rule.
pub fn parse(name: &str, value: &str) -> Result<Duration, String> {
    number::setting(name, value, 0..=MAX_MS).map(Duration::from_millis)
}
