//! An installed tree with the library that cargo built beside the test.

use std::cell::Cell;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::support::command::succeed;
use crate::support::compiler::Language;

/// A temporary directory with a target directory and a prefix.
pub(crate) struct Tree {
    directory: TempDir,
    pub(crate) target: PathBuf,
    pub(crate) prefix: PathBuf,
    /// The library directory, relative to the prefix.
    libdir: &'static str,
    created: Cell<usize>,
}

impl Tree {
    /// Runs `make install`. `libdir` is relative to the prefix.
    pub(crate) fn install(libdir: &'static str) -> Self {
        let directory = TempDir::new().unwrap();
        let target = directory.path().join("target directory");
        fs::create_dir_all(target.join("release")).unwrap();
        fs::copy(
            env::current_exe().unwrap().with_file_name("libglacier_mp.so"),
            target.join("release/libglacier_mp.so"),
        )
        .unwrap();
        let prefix = directory.path().join("prefix");
        let tree = Self { directory, target, prefix, libdir, created: Cell::new(0) };
        tree.run("install");
        tree
    }

    /// Runs a goal of the Makefile with the directories of this tree, and without cargo.
    pub(crate) fn run(&self, goal: &str) -> Output {
        succeed(&mut self.make(goal))
    }

    /// `make` with the directories of this tree, and without cargo.
    pub(crate) fn make(&self, goal: &str) -> Command {
        let mut command = make(goal);
        command.arg(variable("PREFIX", &self.prefix)).arg(variable("libdir", &self.library_directory()));
        command.arg("CARGO=/nonexistent/cargo").env("CARGO_TARGET_DIR", &self.target);
        command
    }

    /// Moves the installed files to another directory.
    pub(crate) fn moved(mut self) -> Self {
        let prefix = self.directory.path().join("elsewhere/moved");
        fs::create_dir_all(prefix.parent().unwrap()).unwrap();
        fs::rename(&self.prefix, &prefix).unwrap();
        self.prefix = prefix;
        self
    }

    pub(crate) fn library_directory(&self) -> PathBuf {
        self.prefix.join(self.libdir)
    }

    /// Returns a path below the prefix as text relative to it.
    pub(crate) fn relative(&self, path: &Path) -> String {
        path.strip_prefix(&self.prefix).unwrap().to_str().unwrap().to_owned()
    }

    /// Returns the path of a file that does not exist.
    pub(crate) fn new_file(&self) -> PathBuf {
        self.created.set(self.created.get() + 1);
        self.directory.path().join(format!("file-{}", self.created.get()))
    }
}

/// The sources of the programs, with their build files.
pub(crate) fn consumer() -> PathBuf {
    root().join("tests/install/consumer")
}

/// The system's compiler with warnings as errors, and without the header of the repository.
pub(crate) fn plain_compiler(language: Language) -> Command {
    let (variable, name, standard) = match language {
        Language::C => ("CC", "cc", "-std=c99"),
        Language::Cxx => ("CXX", "c++", "-std=c++17"),
    };
    let mut command = Command::new(env::var(variable).unwrap_or_else(|_| name.to_owned()));
    command.args([standard, "-Wall", "-Wextra", "-Werror", "-pthread"]);
    command
}

/// `make` without the variables that an outer make passes on.
pub(crate) fn make(goal: &str) -> Command {
    let mut command = Command::new("make");
    command.current_dir(root()).args(["--no-print-directory", goal]);
    for name in ["MAKEFLAGS", "MFLAGS", "MAKELEVEL", "MAKEOVERRIDES", "DESTDIR", "CARGO_BUILD_TARGET", "CARGO"] {
        command.env_remove(name);
    }
    for name in ["PREFIX", "bindir", "libdir", "includedir", "datadir", "mandir", "docdir"] {
        command.env_remove(name);
    }
    command
}

pub(crate) fn variable(name: &str, value: &Path) -> String {
    format!("{name}={}", value.display())
}

/// Returns the files and links below a directory, sorted.
pub(crate) fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()));
        } else {
            found.push(entry.path());
        }
    }
    found.sort();
    found
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
