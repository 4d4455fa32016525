//! The C and C++ compilers that the cc crate selects. It reads CC, CXX, CFLAGS, CXXFLAGS and their variants for one target,
//! and knows the names and flags of cross compilers.

use std::path::Path;
use std::process::Command;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    C,
    Cxx,
}

/// A command that compiles without optimization, with the header in the include path. Warnings are errors.
pub(crate) fn compiler(language: Language, standard: &str) -> Command {
    command(cc::Build::new(), language, standard)
}

/// As `compiler`, with the compiler of this name.
pub(crate) fn compiler_named(name: &str, language: Language, standard: &str) -> Command {
    let mut build = cc::Build::new();
    build.compiler(name);
    command(build, language, standard)
}

fn command(mut build: cc::Build, language: Language, standard: &str) -> Command {
    build
        .target(env!("GLACIER_MP_TARGET"))
        .host(env!("GLACIER_MP_HOST"))
        .opt_level(0)
        .debug(true)
        .cargo_metadata(false);
    build.cpp(language == Language::Cxx).std(standard).warnings(true).warnings_into_errors(true).flag("-Wpedantic");
    build.include(Path::new(env!("CARGO_MANIFEST_DIR")).join("include"));
    build.try_get_compiler().unwrap_or_else(|error| panic!("no compiler for {language:?}: {error}")).to_command()
}
