//! Runs the command with a local Glacier and a state directory of its own.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use glacier_emulator::{Emulator, Options};
use tempfile::TempDir;

pub(crate) const MIB: usize = 1 << 20;

/// The start of a shell line. No file of the command after it can become larger than 8 KiB, or 16 KiB in shells that count in
/// KiB. The test program can ignore the signal of the limit, as programs in Python do.
pub(crate) const LIMIT_FILE_SIZES: &str = "ulimit -f 16; exec env --default-signal=XFSZ";

/// A local Glacier, and a directory for the files and the state of one test.
pub(crate) struct Place {
    pub(crate) glacier: Emulator,
    pub(crate) directory: TempDir,
}

impl Place {
    pub(crate) fn new() -> Self {
        Self {
            glacier: Emulator::start(Options::default()).unwrap(),
            directory: TempDir::with_prefix("glacier-mp-test-").unwrap(),
        }
    }

    /// Returns the variables that the command needs.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        let options = Options::default();
        let path = |name: &str| self.directory.path().join(name).to_str().unwrap().to_owned();
        vec![
            ("AWS_ENDPOINT_URL_GLACIER", self.glacier.endpoint().to_owned()),
            ("AWS_REGION", options.region),
            ("AWS_ACCESS_KEY_ID", options.access_key),
            ("AWS_SECRET_ACCESS_KEY", options.secret_key),
            ("AWS_CONFIG_FILE", path("no-config")),
            ("AWS_SHARED_CREDENTIALS_FILE", path("no-credentials")),
            ("GLACIER_MP_VAULT", "examplevault".to_owned()),
            ("HOME", path("home")),
            ("XDG_STATE_HOME", path("state")),
            ("PATH", std::env::var("PATH").unwrap_or_default()),
        ]
    }

    /// Returns the command with these words, in an environment that has only these variables.
    pub(crate) fn command<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> Command {
        // The signals that this test program ignores would stay ignored in the command.
        let mut command = Command::new("env");
        command
            .arg("--default-signal=HUP,INT,TERM,USR1")
            .arg(program())
            .args(words)
            .env_clear()
            .envs(self.variables())
            .current_dir(self.directory.path());
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Runs the command.
    pub(crate) fn run<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> Ran {
        Ran::of(self.command(words).output().unwrap())
    }

    /// Starts the command.
    pub(crate) fn start<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> Child {
        self.command(words).spawn().unwrap()
    }

    /// Runs the command with bytes as standard input.
    pub(crate) fn run_with_input<'a>(&self, words: impl IntoIterator<Item = &'a str>, input: &[u8]) -> Ran {
        Self::run_to_end(&mut self.command(words), input)
    }

    /// Runs the command at the limit of file sizes, with bytes as standard input.
    pub(crate) fn run_at_limit_of_file_sizes<'a>(&self, words: impl IntoIterator<Item = &'a str>, input: &[u8]) -> Ran {
        let command = self.command(words);
        let mut limited = Command::new("sh");
        limited.args(["-c", &format!("{LIMIT_FILE_SIZES} \"$@\""), "sh"]);
        limited.arg(command.get_program()).args(command.get_args()).env_clear().envs(self.variables());
        limited.current_dir(self.directory.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
        Self::run_to_end(&mut limited, input)
    }

    fn run_to_end(command: &mut Command, input: &[u8]) -> Ran {
        let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        // A command that fails early closes the pipe.
        let _ = stdin.write_all(input);
        drop(stdin);
        Ran::of(child.wait_with_output().unwrap())
    }

    /// Writes a file, and returns its path as a word. The time of its modification is in the past.
    pub(crate) fn file(&self, name: &str, content: &[u8]) -> String {
        let path = self.directory.path().join(name);
        std::fs::write(&path, content).unwrap();
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(std::time::SystemTime::now() - std::time::Duration::from_secs(60)).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.directory.path().join("state/glacier-mp")
    }

    /// Returns the archive IDs in the catalog.
    pub(crate) fn catalog(&self) -> Vec<serde_json::Value> {
        let text = std::fs::read_to_string(self.state().join("archives.jsonl")).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Returns the number of files that describe unfinished uploads.
    pub(crate) fn unfinished(&self) -> usize {
        std::fs::read_dir(self.state().join("uploads")).unwrap().count()
    }

    /// Returns the number of requests that sent a part.
    pub(crate) fn sent_parts(&self) -> usize {
        self.glacier.requests().iter().filter(|request| request.part.is_some()).count()
    }

    /// Returns the archive IDs at the service.
    pub(crate) fn archives(&self) -> Vec<String> {
        self.glacier.archives().into_iter().map(|archive| archive.archive_id).collect()
    }
}

/// What a command printed, and its exit status.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            status: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }

    /// Checks the exit status, and returns the lines of standard output.
    pub(crate) fn expect(&self, status: i32) -> Vec<&str> {
        assert_eq!(self.status, status, "{self:#?}");
        self.stdout.lines().collect()
    }
}

pub(crate) fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_glacier-mp"))
}

/// Returns bytes in which each MiB differs.
pub(crate) fn content(length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from((at / MIB * 7 + at) % 251).unwrap()).collect()
}
