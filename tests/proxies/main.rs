//! Uploads through tinyproxy and squid. The tests start the proxies on loopback. `scripts/prerequisites test-rust` installs
//! them.
#![cfg(test)]

mod flows;
mod program;
mod refusals;
#[path = "../support/mod.rs"]
mod support;

use glacier_emulator::{Emulator, Options};
use glacier_mp::config::Config;
use support::glacier::config;

use self::program::Proxy;

/// Starts a local Glacier with or without TLS.
fn glacier(tls: bool) -> Emulator {
    Emulator::start(Options { tls, ..Options::default() }).unwrap()
}

/// Settings for a local Glacier through a proxy.
fn through(proxy: &Proxy, url: &str, glacier: &Emulator) -> Config {
    let mut config = config(glacier);
    config.set_proxy(Some(url)).unwrap();
    let authorities: String = [proxy.ca_pem.as_deref(), glacier.ca_pem()].into_iter().flatten().collect();
    if !authorities.is_empty() {
        let path = proxy.directory.path().join("ca.pem");
        std::fs::write(&path, authorities).unwrap();
        config.set_ca_file(&path).unwrap();
    }
    config
}
