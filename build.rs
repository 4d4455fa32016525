//! Link arguments of the shared library: its name, and that it stays loaded. The tests that compile C programs get the
//! names of target and host.

fn main() {
    // The package in tests/panics has this script as well, so a path cannot name it. Cargo runs a changed script anyway.
    println!("cargo:rerun-if-env-changed=TARGET");
    for name in ["TARGET", "HOST"] {
        println!("cargo:rustc-env=GLACIER_MP_{name}={}", std::env::var(name).unwrap_or_default());
    }
    let os = std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    if os == "linux" {
        // Without a SONAME, programs record the path the library happened to be linked from.
        // The number is `glacier_abi_version()`.
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libglacier_mp.so.0");
        // Thread-local destructors of the Rust runtime run when a thread ends; after a dlclose they would be gone.
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    } else if os == "macos" {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-install_name,@rpath/libglacier_mp.0.dylib");
    }
}
