//! A process that runs tests/c/histories.c.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command};

use crate::harness::start;

/// The kind of source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Memory,
    Callback,
    Unknown,
    WriteSession,
}

impl Kind {
    pub(super) const ALL: [Self; 5] = [Self::File, Self::Memory, Self::Callback, Self::Unknown, Self::WriteSession];

    /// Whether the source can be read only once.
    pub(super) fn is_stream(self) -> bool {
        matches!(self, Self::Callback | Self::Unknown | Self::WriteSession)
    }

    fn name(self) -> &'static str {
        match self {
            Self::File => "file",
            Self::Memory => "memory",
            Self::Callback => "callback",
            Self::Unknown => "unknown",
            Self::WriteSession => "pushed",
        }
    }
}

/// A working call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Call {
    Run,
    Start,
    Transfer,
    Complete,
}

impl Call {
    fn name(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Start => "start",
            Self::Transfer => "transfer",
            Self::Complete => "complete",
        }
    }
}

/// The result of a call.
#[derive(Clone, Debug)]
pub(super) struct CallResult {
    pub(super) result: String,
    pub(super) archive_id: Option<String>,
    pub(super) upload_id: Option<String>,
    pub(super) message: String,
}

/// Returns the file beside a source that has other bytes.
pub(super) fn other_source(source: &Path) -> PathBuf {
    source.with_extension("bytes")
}

pub(super) struct Actor {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Actor {
    pub(super) fn start(mut command: Command, source: &Path, journal: Option<&Path>) -> Self {
        command.arg(source).arg(other_source(source)).arg(journal.unwrap_or(Path::new("-")));
        let mut child = start(&mut command);
        let (input, output) = (child.stdin.take().unwrap(), BufReader::new(child.stdout.take().unwrap()));
        Self { child, input, output }
    }

    /// If `other` is set, the bytes are those of the other file.
    pub(super) fn open(&mut self, kind: Kind, upload_id: Option<&str>, other: bool) {
        let which = if other { "other" } else { "-" };
        self.done(&format!("open {} {} {which}", kind.name(), upload_id.unwrap_or("-")));
    }

    /// Pauses the next call at its read of this number.
    pub(super) fn hold(&mut self, read: u32) {
        self.done(&format!("hold {read}"));
    }

    /// Ends the process at this future point of the journal.
    pub(super) fn die(&mut self, point: u32) {
        self.done(&format!("die {point}"));
    }

    pub(super) fn map(&mut self) {
        self.done("map");
    }

    pub(super) fn store(&mut self, offset: usize, byte: u8) {
        self.done(&format!("store {offset} {byte}"));
    }

    /// Makes the call. Runs `meanwhile` if the call is paused. Returns `None` if the process dies.
    pub(super) fn call(&mut self, call: Call, meanwhile: impl FnOnce()) -> Option<CallResult> {
        self.send(call.name());
        let mut line = self.line()?;
        if line == "held" {
            meanwhile();
            // Another thread of the process may have reached its point of death.
            let _ = writeln!(self.input, "go");
            line = self.line()?;
        }
        let mut words = line.strip_prefix("result ").expect(&line).splitn(4, ' ').map(str::to_owned);
        let mut word = || words.next().unwrap();
        let known = |word: String| Some(word).filter(|word| word != "-");
        Some(CallResult { result: word(), archive_id: known(word()), upload_id: known(word()), message: word() })
    }

    fn done(&mut self, command: &str) {
        self.send(command);
        assert_eq!(self.line().as_deref(), Some("done"), "{command}");
    }

    fn send(&mut self, command: &str) {
        writeln!(self.input, "{command}").unwrap();
    }

    fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        self.output.read_line(&mut line).unwrap();
        line.strip_suffix('\n').map(str::to_owned)
    }
}

impl Drop for Actor {
    /// Kills the process if it still runs.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
