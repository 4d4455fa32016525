//! Link arguments of the shared library: its name, and that it stays loaded.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
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
