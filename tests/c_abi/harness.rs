//! Compiles a program against the header, links it with the shared library that cargo built, and runs it.

use std::env;
use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use glacier_emulator::{ArchiveRecord, Emulator, Operation, Options};
use tempfile::TempDir;

use crate::support::compiler::{Language, compiler};

/// How a program is compiled and run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Build {
    Plain,
    /// With the address, undefined behavior and leak sanitizers.
    Sanitized,
    /// Under valgrind, which also checks the library.
    Valgrind,
}

/// Generates a module of tests for each function that takes a [`Build`]: one test for each of two builds.
macro_rules! in_both_builds {
    ($($name:ident),* $(,)?) => {
        $(mod $name {
            #[test]
            fn plain() {
                super::$name(crate::harness::Build::Plain);
            }

            #[test]
            fn sanitized() {
                super::$name(crate::harness::Build::Sanitized);
            }
        })*
    };
}
pub(crate) use in_both_builds;

/// Generates a test under valgrind for each function that takes a [`Build`].
macro_rules! under_valgrind {
    ($($name:ident),* $(,)?) => {
        mod under_valgrind {
            $(#[test]
            fn $name() {
                super::$name(crate::harness::Build::Valgrind);
            })*
        }
    };
}
pub(crate) use under_valgrind;

/// A compiled program, in its own directory with links to the library.
pub(crate) struct Program {
    directory: TempDir,
    name: String,
    build: Build,
}

impl Program {
    /// Compiles a C99 program. The path of the source is relative to the root of the repository.
    pub(crate) fn c(source: &str, build: Build) -> Self {
        Self::c_with(source, build, &library())
    }

    /// Compiles a C99 program with another build of the library.
    pub(crate) fn c_with(source: &str, build: Build, library: &Path) -> Self {
        Self::compile(Language::C, "c99", source, build, library)
    }

    /// Compiles a C++ program.
    pub(crate) fn cpp(source: &str, standard: &str, build: Build) -> Self {
        Self::compile(Language::Cxx, standard, source, build, &library())
    }

    fn compile(language: Language, standard: &str, source: &str, build: Build, library: &Path) -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let directory = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let name = Path::new(source).file_stem().unwrap().to_str().unwrap().to_owned();
        let program = Self { directory, name, build };
        let directory = program.directory.path();
        for name in ["libglacier_mp.so", "libglacier_mp.so.0"] {
            symlink(library, directory.join(name)).unwrap();
        }
        let mut command = compiler(language, standard);
        command.arg("-pthread");
        if build == Build::Sanitized {
            command.args(["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer"]);
        }
        command.arg("-I").arg(root.join("tests/c")).arg("-I").arg(root.join("bindings/cpp"));
        command.arg(root.join(source)).arg("-o").arg(program.path());
        command.arg("-L").arg(directory).arg("-lglacier_mp").arg(format!("-Wl,-rpath,{}", directory.display()));
        let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        assert!(output.status.success(), "{source}:\n{}", String::from_utf8_lossy(&output.stderr));
        program
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.directory.path().join("program")
    }

    /// Returns a command without the environment of this process, except for the sanitizer options.
    pub(crate) fn command(&self) -> Command {
        if self.build != Build::Valgrind {
            return clean(Command::new(self.path()));
        }
        let mut command = clean(Command::new("valgrind"));
        assert!(command.arg("--version").output().is_ok(), "valgrind cannot be run: install it");
        let mut command = clean(Command::new("valgrind"));
        command.args(["--quiet", "--error-exitcode=99", "--leak-check=full"]);
        // Memory that the Rust runtime keeps until the end is reported as possibly lost.
        command.args(["--errors-for-leak-kinds=definite", "--show-leak-kinds=definite"]).arg(self.path());
        command
    }

    /// Returns a command with endpoint, region and keys of the local Glacier in the environment.
    pub(crate) fn command_at(&self, glacier: &Emulator) -> Command {
        at(self.command(), glacier)
    }

    /// Runs a program that includes check.h. All its checks must pass.
    pub(crate) fn check(&self, command: &mut Command) {
        self.print_checks(&succeed(command));
    }

    /// Prints the number of checks, which must not be 0.
    pub(crate) fn print_checks(&self, outcome: &Outcome) {
        let counts = outcome.stdout.lines().filter_map(|line| line.strip_prefix("checks: "));
        let sum: u64 = counts.map(|count| count.parse::<u64>().unwrap()).sum();
        assert!(sum > 0, "{outcome:?}");
        println!("{} ({:?}): {sum} checks", self.name, self.build);
    }
}

/// Clears the environment of a command. The AWS files of the user must not change the tests either.
pub(crate) fn clean(mut command: Command) -> Command {
    command.env_clear().env("PATH", env::var_os("PATH").unwrap_or_default());
    command.env("AWS_CONFIG_FILE", "").env("AWS_SHARED_CREDENTIALS_FILE", "").env("AWS_EC2_METADATA_DISABLED", "true");
    command.env("ASAN_OPTIONS", "detect_leaks=1").env("UBSAN_OPTIONS", "print_stacktrace=1");
    command
}

/// Puts endpoint, region and keys of a local Glacier into the environment of a command.
pub(crate) fn at(mut command: Command, glacier: &Emulator) -> Command {
    let Options { region, access_key, secret_key, .. } = Options::default();
    command.env("AWS_ENDPOINT_URL_GLACIER", glacier.endpoint()).env("AWS_REGION", region);
    command.env("AWS_ACCESS_KEY_ID", access_key).env("AWS_SECRET_ACCESS_KEY", secret_key);
    // A program without keys must not look for those of an instance.
    command.env("AWS_EC2_METADATA_DISABLED", "true");
    command
}

/// The exit status and the output of a program.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Outcome {
    /// Returns the value of the line `name: value` on standard output.
    pub(crate) fn value(&self, name: &str) -> &str {
        let line = self.stdout.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.unwrap_or_else(|| panic!("no {name} in {self:?}"))
    }
}

/// Starts a program with pipes, for [`finish`].
pub(crate) fn start(command: &mut Command) -> Child {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

/// Waits for the end of a program. Kills a program that hangs, so that the test fails.
pub(crate) fn finish(mut child: Child) -> Outcome {
    const LONGEST: Duration = Duration::from_secs(600);
    let pid = child.id();
    let (over, wait) = mpsc::channel::<()>();
    let watchdog = thread::spawn(move || {
        if wait.recv_timeout(LONGEST) == Err(RecvTimeoutError::Timeout) {
            signal("KILL", pid);
        }
    });
    let mut err = child.stderr.take().unwrap();
    let stderr = thread::spawn(move || read_text(&mut err));
    drop(child.stdin.take());
    let stdout = child.stdout.as_mut().map(read_text).unwrap_or_default();
    let stderr = stderr.join().unwrap();
    let status = child.wait().unwrap();
    drop(over);
    watchdog.join().unwrap();
    Outcome { status, stdout, stderr }
}

/// Runs a program to its end, which may be a failure.
pub(crate) fn run(command: &mut Command) -> Outcome {
    finish(start(command))
}

/// Runs a program with this standard input, which it may leave unread.
pub(crate) fn run_with(command: &mut Command, input: &[u8]) -> Outcome {
    let mut child = start(command);
    let _ = child.stdin.take().unwrap().write_all(input);
    finish(child)
}

/// Runs a program that must succeed.
pub(crate) fn succeed(command: &mut Command) -> Outcome {
    let outcome = run(command);
    assert!(outcome.status.success(), "{}\n{}\n{}", outcome.status, outcome.stdout, outcome.stderr);
    outcome
}

/// Sends a signal.
pub(crate) fn signal(name: &str, pid: u32) {
    let status = Command::new("sh").arg("-c").arg(format!("kill -{name} {pid}")).status().unwrap();
    assert!(status.success(), "kill -{name} {pid}");
}

/// Waits until a condition holds that must become true.
pub(crate) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    for _ in 0..30_000 {
        if is_so() {
            return;
        }
        thread::sleep(Duration::from_millis(2));
    }
    panic!("{what}: not true within a minute");
}

/// Starts a local Glacier that keeps the bytes of archives.
pub(crate) fn local_glacier() -> Emulator {
    Emulator::start(Options::default()).unwrap()
}

/// Returns test data: byte i is i mod 251.
pub(crate) fn data(size: usize) -> Vec<u8> {
    (0..=250).cycle().take(size).collect()
}

/// Creates a file of test data, in a directory that exists as long as the first value.
pub(crate) fn data_file(name: &str, size: usize) -> (TempDir, PathBuf) {
    let directory = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let path = directory.path().join(name);
    fs::write(&path, data(size)).unwrap();
    (directory, path)
}

/// Returns the path of a file of test data whose times are old enough to be trusted. Tests share it and must not change it.
pub(crate) fn settled_data_file(size: usize) -> PathBuf {
    static MAKING: Mutex<()> = Mutex::new(());
    const AGE: Duration = Duration::from_millis(2100);
    let _alone = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("data-{size}"));
    if fs::metadata(&path).map_or(0, |about| about.len()) != size as u64 {
        fs::write(&path, data(size)).unwrap();
    }
    let about = fs::metadata(&path).unwrap();
    let changed = UNIX_EPOCH + Duration::new(u64::try_from(about.ctime()).unwrap(), 0) + Duration::from_secs(1);
    let age = SystemTime::now().duration_since(changed).unwrap_or_default();
    thread::sleep(AGE.saturating_sub(age));
    path
}

/// Returns the only archive of the local Glacier.
pub(crate) fn only_archive(glacier: &Emulator) -> ArchiveRecord {
    let archives = glacier.archives();
    assert_eq!(archives.len(), 1, "{archives:?}");
    archives.into_iter().next().unwrap()
}

/// Checks the bytes of an archive.
pub(crate) fn assert_holds(archive: &ArchiveRecord, bytes: &[u8]) {
    let path = archive.path.as_ref().unwrap();
    assert!(fs::read(path).unwrap() == bytes, "{} holds other bytes", path.display());
}

/// Returns the number of requests of this operation that got this status.
pub(crate) fn answered(glacier: &Emulator, operation: Operation, status: u16) -> usize {
    let requests = glacier.requests();
    requests.iter().filter(|r| r.operation == Some(operation) && r.status == Some(status)).count()
}

fn read_text(from: &mut impl Read) -> String {
    let mut bytes = Vec::new();
    from.read_to_end(&mut bytes).unwrap();
    String::from_utf8(bytes).unwrap()
}

/// Returns the path of the shared library that cargo built for this test.
pub(crate) fn library() -> PathBuf {
    env::current_exe().unwrap().with_file_name("libglacier_mp.so")
}
