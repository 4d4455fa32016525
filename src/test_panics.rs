//! Panics on request, for tests of what becomes of one. Only with the feature `test-panics`.

use std::any::type_name;
use std::env;
use std::thread;

/// The environment variable that says where: the name of a function of the C ABI, or of a thread of the library.
const PLACE: &str = "GLACIER_MP_TEST_PANIC";

/// Panics if `F`, a closure, stands in the function that was asked for: the name of its type tells where it stands.
pub(crate) fn in_function_of<F>() {
    let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    panic_if(|place| type_name::<F>().split(|c| !is_word(c)).any(|word| word == place));
}

/// Panics if this is the thread that was asked for.
pub(crate) fn in_this_thread() {
    panic_if(|place| thread::current().name() == Some(place));
}

#[allow(clippy::panic, reason = "it is what this is for")]
fn panic_if(is_here: impl FnOnce(&str) -> bool) {
    if let Ok(place) = env::var(PLACE)
        && is_here(&place)
    {
        panic!("asked for in {place}");
    }
}
