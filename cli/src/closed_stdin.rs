//! Whether standard input was closed when the program started.
//!
//! Before `main`, the Rust runtime replaces a closed standard stream by /dev/null, which has no bytes. An initializer
//! therefore checks standard input before the runtime starts.

#![allow(unsafe_code, reason = "only an attribute can place an initializer")]

use std::sync::atomic::{AtomicBool, Ordering};

use rustix::io::fcntl_getfd;

static WAS_CLOSED: AtomicBool = AtomicBool::new(false);

// SAFETY: the section is an array of functions without required parameters, which is the type of this static. The
// function uses no part of the runtime: it makes one system call and sets a flag.
#[used]
#[cfg_attr(target_vendor = "apple", unsafe(link_section = "__DATA,__mod_init_func"))]
#[cfg_attr(not(target_vendor = "apple"), unsafe(link_section = ".init_array"))]
static INITIALIZER: extern "C" fn() = check;

extern "C" fn check() {
    WAS_CLOSED.store(fcntl_getfd(rustix::stdio::stdin()).is_err(), Ordering::Relaxed);
}

/// Returns whether standard input was closed when the program started.
pub(crate) fn was_closed() -> bool {
    WAS_CLOSED.load(Ordering::Relaxed)
}
