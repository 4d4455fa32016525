//! Repetition of the failed requests of a provider.

use std::time::Duration;

use super::provider::LoadContext;
use crate::error::{Error, Result};
use crate::log::Level;

/// Makes at most `attempts` attempts. `delay` returns the delay after a number of failed attempts, or `None` if an error is
/// permanent. `name` begins the warnings.
///
/// # Errors
/// The last error, without secrets; `Canceled`.
pub(super) fn retry<T>(
    name: &str,
    attempts: u32,
    context: &LoadContext<'_>,
    mut attempt: impl FnMut() -> Result<T>,
    delay: impl Fn(u32, &Error) -> Option<Duration>,
) -> Result<T> {
    let mut failed = 0;
    loop {
        let error = match attempt() {
            Ok(result) => return Ok(result),
            Err(error) => error.redacted(context.redactor),
        };
        failed += 1;
        let Some(delay) = delay(failed, &error).filter(|_| failed < attempts) else { return Err(error) };
        context.log.write(
            Level::Warn,
            format_args!("{name} attempt {failed} failed, retrying in {} ms: {error}", delay.as_millis()),
        );
        context.clock.wait(delay, context.cancel)?;
    }
}
