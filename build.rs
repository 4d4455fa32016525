//! Link arguments of the shared library: its SONAME, and the flag that keeps it loaded. Also passes the names of target
//! and host to the tests that compile C programs.

fn main() {
    // Without this line, cargo runs the script after every change of a file. It cannot name this script by its path,
    // because the package in tests/panics also uses it. Cargo always runs a changed script.
    println!("cargo:rerun-if-env-changed=TARGET");
    for name in ["TARGET", "HOST"] {
        println!("cargo:rustc-env=GLACIER_MP_{name}={}", std::env::var(name).unwrap_or_default());
    }
    let os = std::env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    if os == "linux" {
        // Without a SONAME, programs record the path that they were linked with. The number is `glacier_abi_version()`.
        println!("cargo:rustc-cdylib-link-arg=-Wl,-soname,libglacier_mp.so.0");
        // Thread-local destructors of the Rust runtime run when a thread ends. dlclose would unmap their code.
        println!("cargo:rustc-cdylib-link-arg=-Wl,-z,nodelete");
    } else if os == "macos" {
        println!("cargo:rustc-cdylib-link-arg=-Wl,-install_name,@rpath/libglacier_mp.0.dylib");
    }
}
