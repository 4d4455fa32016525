//! Prints results on standard output.
//!
//! Before `main`, the Rust runtime replaces a closed standard stream by /dev/null, which accepts every write. An initializer
//! therefore checks standard output before the runtime starts.

#![allow(unsafe_code, reason = "only an attribute can place an initializer")]

use std::io::{self, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::fcntl_getfd;

static WAS_CLOSED: AtomicBool = AtomicBool::new(false);

// SAFETY: the section is an array of functions without required parameters, which is the type of this static. The function uses
// no part of the runtime: it makes one system call and sets a flag.
#[used]
#[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__mod_init_func"))]
#[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".init_array"))]
static INITIALIZER: extern "C" fn() = check;

extern "C" fn check() {
    WAS_CLOSED.store(fcntl_getfd(rustix::stdio::stdout()).is_err(), Ordering::Relaxed);
}

/// Fails if standard output was closed at the start. `what` says what the program would print on it.
pub(crate) fn require(what: &str) -> Result<(), String> {
    if WAS_CLOSED.load(Ordering::Relaxed) {
        return Err(format!("{what} on standard output, which is closed: redirect it"));
    }
    Ok(())
}

/// Prints a text.
pub(crate) fn print(text: &str) -> Result<(), String> {
    let mut out = io::stdout();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(|e| format!("standard output: {e}"))
}
