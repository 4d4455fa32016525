//! Panics on request, to test how panics are handled. Compiled only with the feature `test-panics`.

use std::any::type_name;
use std::env;
use std::thread;

/// The environment variable that selects the place: the name of a function of the C ABI or of a thread of the library.
const PLACE: &str = "GLACIER_MP_TEST_PANIC";

/// Panics if the closure type `F` belongs to the selected function. The name of a closure type contains the name of its
/// function.
pub(crate) fn panic_in_function_of<F>() {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    panic_if(|place| type_name::<F>().split(|c| !is_word(c)).any(|word| word == place));
}

/// Panics if the calling thread is the selected one.
pub(crate) fn panic_in_this_thread() {
    panic_if(|place| thread::current().name() == Some(place));
}

#[allow(clippy::panic, reason = "the purpose of this module")]
fn panic_if(is_selected: impl FnOnce(&str) -> bool) {
    if let Ok(place) = env::var(PLACE)
        && is_selected(&place)
    {
        panic!("requested in {place}");
    }
}
