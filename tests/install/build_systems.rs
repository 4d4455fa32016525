//! Programs built with pkg-config, CMake and meson against an installed tree, before and after it is moved.

use std::fs;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::VERSION;
use crate::support::command::{succeed, text};
use crate::support::compiler::Language;
use crate::tree::{Tree, consumer, plain_compiler};

/// The usual library directory, and that of Debian.
const LIBRARY_DIRECTORIES: [&str; 2] = ["lib", "lib/x86_64-linux-gnu"];

#[test]
#[ignore = "needs pkg-config: run make test-install"]
fn pkg_config_finds_the_library() {
    for libdir in LIBRARY_DIRECTORIES {
        let tree = Tree::install(libdir);
        check_pkg_config(&tree, &[]);
        let tree = tree.moved();
        if libdir == "lib" {
            check_pkg_config(&tree, &["--define-prefix".to_owned()]);
        }
        // For other library directories, --define-prefix derives a wrong prefix.
        check_pkg_config(&tree, &[format!("--define-variable=prefix={}", tree.prefix.display())]);
    }
}

fn check_pkg_config(tree: &Tree, options: &[String]) {
    let mut command = Command::new("pkg-config");
    command.env("PKG_CONFIG_PATH", tree.library_directory().join("pkgconfig")).env_remove("PKG_CONFIG_SYSROOT_DIR");
    let output = succeed(command.args(options).args(["--cflags", "--libs", &format!("glacier_mp = {VERSION}")]));
    let flags = text(&output.stdout);
    assert!(flags.contains(&format!("-L{} ", tree.library_directory().display())), "{flags}");
    for (language, source) in [(Language::C, "program.c"), (Language::Cxx, "program.cpp")] {
        let program = tree.new_file();
        let mut command = plain_compiler(language);
        command.arg(consumer().join(source)).arg("-o").arg(&program);
        succeed(command.args(flags.split_whitespace()));
        let output = succeed(Command::new(&program).env("LD_LIBRARY_PATH", tree.library_directory()));
        assert_eq!(text(&output.stdout).trim_end(), VERSION);
    }
}

#[test]
#[ignore = "needs CMake: run make test-install"]
fn cmake_builds_against_the_package() {
    for libdir in LIBRARY_DIRECTORIES {
        let tree = Tree::install(libdir);
        check_cmake(&tree);
        check_cmake(&tree.moved());
    }
}

fn check_cmake(tree: &Tree) {
    let build = tree.new_file();
    let mut configure = cmake(tree);
    configure.arg("-S").arg(consumer()).arg("-B").arg(&build).arg("-DVERSION=0.1");
    // CMake finds lib/<triplet> only if it knows the architecture.
    succeed(configure.arg("-DCMAKE_LIBRARY_ARCHITECTURE=x86_64-linux-gnu").arg("-DCMAKE_BUILD_TYPE=Release"));
    succeed(Command::new("cmake").arg("--build").arg(&build));
    for name in ["program_c", "program_cpp"] {
        // CMake records the directory of the library in the program.
        let output = succeed(Command::new(build.join(name)).env_remove("LD_LIBRARY_PATH"));
        assert_eq!(text(&output.stdout).trim_end(), VERSION);
    }
    // The program's own installation can include the library.
    let installed = tree.new_file();
    succeed(Command::new("cmake").arg("--install").arg(&build).arg("--prefix").arg(&installed));
    let library = ["lib", "lib/x86_64-linux-gnu"].map(|libdir| installed.join(libdir).join("libglacier_mp.so.0"));
    let library = library.iter().find(|path| path.exists()).unwrap_or_else(|| panic!("no library in {installed:?}"));
    let program = installed.join("bin/program_c");
    succeed(Command::new(program).env("LD_LIBRARY_PATH", library.parent().unwrap()));
}

#[test]
#[ignore = "needs CMake: run make test-install"]
fn cmake_checks_the_requested_version() {
    let tree = Tree::install("lib");
    for accepted in ["", "0", "0.1", "0.1.0", "0.1.0 EXACT", "0.0.9...0.3", "0.1...<0.2"] {
        let output = find_package(&tree, accepted);
        assert!(output.status.success(), "{accepted}: {output:?}");
        assert!(text(&output.stdout).contains(&format!("found {VERSION} in {}", tree.prefix.display())), "{output:?}");
    }
    for rejected in ["0.0.9", "0.1.1", "0.2", "1", "1.0", "0.1 EXACT COMPONENTS x", "0.2...0.3", "0.0.1...<0.1.0"] {
        let output = find_package(&tree, rejected);
        assert!(!output.status.success(), "{rejected}: {output:?}");
    }
    let output = find_package(&tree, "0.2");
    assert!(text(&output.stderr).contains(&format!("version: {VERSION}")), "{output:?}");
}

#[test]
#[ignore = "needs CMake: run make test-install"]
fn cmake_reports_missing_files_and_unknown_components() {
    let tree = Tree::install("lib");
    let output = find_package(&tree, "COMPONENTS static");
    assert!(text(&output.stderr).contains("glacier_mp has no component static"), "{output:?}");
    fs::remove_file(tree.prefix.join("include/glacier_mp.h")).unwrap();
    let output = find_package(&tree, "");
    assert!(!output.status.success());
    assert!(text(&output.stderr).contains("include/glacier_mp.h does not exist"), "{output:?}");
}

/// Configures a project that only finds the package, with these arguments after its name.
fn find_package(tree: &Tree, arguments: &str) -> Output {
    let directory = TempDir::new().unwrap();
    let project = format!(
        "cmake_minimum_required(VERSION 3.19)\nproject(find LANGUAGES NONE)\n\
         find_package(glacier_mp {arguments} REQUIRED CONFIG)\n\
         get_target_property(include glacier_mp::glacier_mp INTERFACE_INCLUDE_DIRECTORIES)\n\
         message(STATUS \"found ${{glacier_mp_VERSION}} in ${{include}}\")\n"
    );
    fs::write(directory.path().join("CMakeLists.txt"), project).unwrap();
    cmake(tree).arg("-S").arg(directory.path()).arg("-B").arg(directory.path().join("build")).output().unwrap()
}

/// CMake that searches the tree.
fn cmake(tree: &Tree) -> Command {
    let mut command = Command::new("cmake");
    command.arg(format!("-DCMAKE_PREFIX_PATH={}", tree.prefix.display()));
    command.env_remove("CMAKE_PREFIX_PATH").env_remove("glacier_mp_DIR");
    command
}

#[test]
#[ignore = "needs meson and pkg-config: run make test-install"]
fn meson_builds_against_the_pkg_config_file() {
    let tree = Tree::install("lib");
    check_meson(&tree);
    check_meson(&tree.moved());
}

fn check_meson(tree: &Tree) {
    let build = tree.new_file();
    let mut command = Command::new("meson");
    command.arg("setup").arg(&build).arg(consumer());
    command
        .env("PKG_CONFIG_PATH", tree.library_directory().join("pkgconfig"))
        .env("PKG_CONFIG", "pkg-config --define-prefix");
    succeed(&mut command);
    succeed(Command::new("meson").arg("test").arg("-C").arg(&build).env("LD_LIBRARY_PATH", tree.library_directory()));
}
