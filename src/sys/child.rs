//! A child process without a shell, without input, and with captured output.
//!
//! The child is started by `posix_spawn`, which is safe beside other threads and runs no fork handlers. `std::process` is not
//! used for two reasons: it passes the signal mask of the calling thread on, and threads of the library block all signals;
//! and it cannot start a session. The child leads its own session and process group, so it has no terminal to prompt on, and
//! one signal ends it with its own children.
#![allow(unsafe_code)] // std has neither sessions nor signal masks of children.

use std::ffi::{CStr, CString};
use std::io::{self, PipeReader, PipeWriter, Read};
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr;
use std::time::Duration;

use libc::{c_char, c_int, c_short};

use super::descriptor::above_standard_streams;

/// A signal that ends a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// SIGTERM, which the child may handle or ignore.
    Terminate,
    /// SIGKILL.
    Kill,
}

/// How a child ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExitStatus {
    /// It returned this status.
    Exited(i32),
    /// This signal ended it.
    Signaled(i32),
    /// Another part of the host program collected the status, or the host program ignores SIGCHLD.
    Unknown,
}

/// A running child process. Dropping it neither ends the child nor waits for it.
#[derive(Debug)]
pub(crate) struct Child {
    pid: libc::pid_t,
    /// Its standard output and standard error. `None` after the end of the stream.
    streams: [Option<PipeReader>; 2],
    status: Option<ExitStatus>,
}

impl Child {
    /// Starts `program` with these arguments, of which the first is its name, and these variables of the form `NAME=value`.
    pub(crate) fn spawn(program: &CStr, arguments: &[CString], environment: &[CString]) -> io::Result<Self> {
        let (output, output_writer) = pipe()?;
        let (errors, error_writer) = pipe()?;
        let mut actions = FileActions::new()?;
        actions.open_null(libc::STDIN_FILENO)?;
        actions.duplicate(&output_writer, libc::STDOUT_FILENO)?;
        actions.duplicate(&error_writer, libc::STDERR_FILENO)?;
        let attributes = Attributes::new()?;
        let (arguments, environment) = (pointers(arguments), pointers(environment));
        let mut pid = 0;
        // SAFETY: all pointers are valid until the call returns, and both arrays end with a null pointer.
        let result = unsafe {
            libc::posix_spawn(
                &raw mut pid,
                program.as_ptr(),
                &raw const actions.0,
                &raw const attributes.0,
                arguments.as_ptr(),
                environment.as_ptr(),
            )
        };
        check(result)?;
        Ok(Self { pid, streams: [Some(output), Some(errors)], status: None })
    }

    /// Waits until the child writes or closes a stream, for at most `limit`. Returns at once if both streams have ended.
    pub(crate) fn wait_for_output(&self, limit: Duration) -> io::Result<()> {
        let entry = |stream: &PipeReader| libc::pollfd { fd: stream.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let mut entries: Vec<_> = self.streams.iter().flatten().map(entry).collect();
        if entries.is_empty() {
            return Ok(());
        }
        let millis = c_int::try_from(limit.as_millis().max(1)).unwrap_or(c_int::MAX);
        let count = libc::nfds_t::try_from(entries.len()).map_err(io::Error::other)?;
        // SAFETY: `entries` is valid for `count` pollfds and exclusively borrowed.
        if unsafe { libc::poll(entries.as_mut_ptr(), count, millis) } >= 0 {
            return Ok(());
        }
        let error = io::Error::last_os_error();
        if error.kind() == io::ErrorKind::Interrupted { Ok(()) } else { Err(error) }
    }

    /// Reads available bytes of standard output without waiting. Returns 0 if none are available.
    pub(crate) fn read_output(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        read_available(&mut self.streams[0], buffer)
    }

    /// Reads available bytes of standard error without waiting. Returns 0 if none are available.
    pub(crate) fn read_errors(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        read_available(&mut self.streams[1], buffer)
    }

    /// Returns whether both streams have ended.
    pub(crate) fn has_closed_streams(&self) -> bool {
        self.streams.iter().all(Option::is_none)
    }

    /// Returns how the child ended, or `None` while it runs.
    pub(crate) fn try_wait(&mut self) -> io::Result<Option<ExitStatus>> {
        if self.status.is_some() {
            return Ok(self.status);
        }
        let mut status = 0;
        // SAFETY: `status` is valid for the output.
        let result = unsafe { libc::waitpid(self.pid, &raw mut status, libc::WNOHANG) };
        self.status = match result {
            0 => None,
            -1 => {
                let error = io::Error::last_os_error();
                match error.raw_os_error() {
                    Some(libc::EINTR) => None,
                    Some(libc::ECHILD) => Some(ExitStatus::Unknown),
                    _ => return Err(error),
                }
            }
            _ if libc::WIFSIGNALED(status) => Some(ExitStatus::Signaled(libc::WTERMSIG(status))),
            _ => Some(ExitStatus::Exited(libc::WEXITSTATUS(status))),
        };
        Ok(self.status)
    }

    /// Returns whether the child has ended, without collecting its status: its number stays in use.
    pub(crate) fn has_ended(&self) -> bool {
        if self.status.is_some() {
            return true;
        }
        let mut info = MaybeUninit::<libc::siginfo_t>::zeroed();
        let Ok(id) = libc::id_t::try_from(self.pid) else { return true };
        let flags = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
        // SAFETY: `info` is valid for the output.
        if unsafe { libc::waitid(libc::P_PID, id, info.as_mut_ptr(), flags) } != 0 {
            return io::Error::last_os_error().kind() != io::ErrorKind::Interrupted;
        }
        // SAFETY: siginfo_t is plain data, and all zeros is a valid value.
        let info = unsafe { info.assume_init() };
        // SAFETY: after waitid, the fields of a child are set; without a child in this state, they are 0.
        unsafe { info.si_pid() != 0 }
    }

    /// Sends a signal to the process group of the child, unless its status was collected: another group may then have its
    /// number.
    pub(crate) fn signal(&self, signal: Signal) {
        if self.status.is_some() {
            return;
        }
        let number = match signal {
            Signal::Terminate => libc::SIGTERM,
            Signal::Kill => libc::SIGKILL,
        };
        // SAFETY: kill has no memory effects. The child was not collected, so its process group exists.
        unsafe { libc::kill(-self.pid, number) };
    }
}

/// Reads without waiting. Drops the stream at its end.
fn read_available(stream: &mut Option<PipeReader>, buffer: &mut [u8]) -> io::Result<usize> {
    let Some(reader) = stream else { return Ok(0) };
    match reader.read(buffer) {
        Ok(0) => {
            *stream = None;
            Ok(0)
        }
        Ok(length) => Ok(length),
        Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted) => Ok(0),
        Err(error) => Err(error),
    }
}

/// Creates a pipe whose read end does not block. Its write end has a descriptor above those of the standard streams: the
/// host program may have closed these.
fn pipe() -> io::Result<(PipeReader, OwnedFd)> {
    let (reader, writer): (PipeReader, PipeWriter) = io::pipe()?;
    // SAFETY: the descriptor is open, and F_SETFL with these flags has no memory effects.
    if unsafe { libc::fcntl(reader.as_raw_fd(), libc::F_SETFL, libc::O_NONBLOCK) } == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok((reader, above_standard_streams(OwnedFd::from(writer))?))
}

/// Returns the pointers to texts, and a null pointer at the end.
fn pointers(texts: &[CString]) -> Vec<*mut c_char> {
    texts.iter().map(|text| text.as_ptr().cast_mut()).chain([ptr::null_mut()]).collect()
}

fn check(result: c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(result)) }
}

/// The changes of descriptors in the child.
struct FileActions(libc::posix_spawn_file_actions_t);

impl FileActions {
    fn new() -> io::Result<Self> {
        let mut actions = MaybeUninit::uninit();
        // SAFETY: the pointer is valid for the output.
        check(unsafe { libc::posix_spawn_file_actions_init(actions.as_mut_ptr()) })?;
        // SAFETY: a successful call has initialized the value.
        Ok(Self(unsafe { actions.assume_init() }))
    }

    fn open_null(&mut self, descriptor: c_int) -> io::Result<()> {
        const NULL: &CStr = c"/dev/null";
        // SAFETY: the actions are initialized, and the path is a static text.
        check(unsafe {
            libc::posix_spawn_file_actions_addopen(&raw mut self.0, descriptor, NULL.as_ptr(), libc::O_RDONLY, 0)
        })
    }

    fn duplicate(&mut self, from: &OwnedFd, to: c_int) -> io::Result<()> {
        // SAFETY: the actions are initialized.
        check(unsafe { libc::posix_spawn_file_actions_adddup2(&raw mut self.0, from.as_raw_fd(), to) })
    }
}

impl Drop for FileActions {
    fn drop(&mut self) {
        // SAFETY: the actions are initialized, and destroyed once.
        unsafe { libc::posix_spawn_file_actions_destroy(&raw mut self.0) };
    }
}

/// The attributes of the child: no blocked signals, default actions for the signals that host programs often ignore, and its
/// own session.
struct Attributes(libc::posix_spawnattr_t);

#[cfg(target_os = "linux")]
const OWN_GROUP: c_short = libc::POSIX_SPAWN_SETSID;
/// The session flag of other systems has another type or is missing. A new group has the number of its first process.
#[cfg(not(target_os = "linux"))]
const OWN_GROUP: c_short = libc::POSIX_SPAWN_SETPGROUP as c_short;

/// Signals that host programs often ignore. Shells and other programs rely on their default actions.
const DEFAULT_SIGNALS: [c_int; 4] = [libc::SIGPIPE, libc::SIGCHLD, libc::SIGTERM, libc::SIGXFSZ];

impl Attributes {
    #[allow(clippy::cast_possible_truncation)] // The flags fit, and their type differs between systems.
    fn new() -> io::Result<Self> {
        let mut attributes = MaybeUninit::uninit();
        // SAFETY: the pointer is valid for the output.
        check(unsafe { libc::posix_spawnattr_init(attributes.as_mut_ptr()) })?;
        // SAFETY: a successful call has initialized the value.
        let mut attributes = Self(unsafe { attributes.assume_init() });
        let raw = &raw mut attributes.0;
        let none = signals(&[]);
        // SAFETY: the attributes and the set are valid.
        check(unsafe { libc::posix_spawnattr_setsigmask(raw, &raw const none) })?;
        let defaults = signals(&DEFAULT_SIGNALS);
        // SAFETY: as above.
        check(unsafe { libc::posix_spawnattr_setsigdefault(raw, &raw const defaults) })?;
        let flags = libc::POSIX_SPAWN_SETSIGMASK as c_short | libc::POSIX_SPAWN_SETSIGDEF as c_short | OWN_GROUP;
        // SAFETY: as above.
        check(unsafe { libc::posix_spawnattr_setflags(raw, flags) })?;
        Ok(attributes)
    }
}

impl Drop for Attributes {
    fn drop(&mut self) {
        // SAFETY: the attributes are initialized, and destroyed once.
        unsafe { libc::posix_spawnattr_destroy(&raw mut self.0) };
    }
}

fn signals(numbers: &[c_int]) -> libc::sigset_t {
    // SAFETY: sigset_t is plain data; all zeros is a valid value.
    let mut set = unsafe { std::mem::zeroed() };
    // SAFETY: `set` is a valid, exclusively borrowed signal set.
    unsafe { libc::sigemptyset(&raw mut set) };
    for number in numbers {
        // SAFETY: as above; the signal number is valid.
        unsafe { libc::sigaddset(&raw mut set, *number) };
    }
    set
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    fn shell(script: &str) -> Child {
        let arguments = ["sh", "-c", script].map(|text| CString::new(text).unwrap());
        Child::spawn(c"/bin/sh", &arguments, &[CString::new("NAME=value").unwrap()]).unwrap()
    }

    /// Returns the output and the status of a child.
    fn finish(mut child: Child) -> (String, ExitStatus) {
        let mut output = Vec::new();
        let mut buffer = [0; 256];
        while !child.has_closed_streams() {
            child.wait_for_output(Duration::from_secs(10)).unwrap();
            let length = child.read_output(&mut buffer).unwrap();
            output.extend_from_slice(&buffer[..length]);
            child.read_errors(&mut buffer).unwrap();
        }
        loop {
            if let Some(status) = child.try_wait().unwrap() {
                return (String::from_utf8(output).unwrap(), status);
            }
            std::thread::yield_now();
        }
    }

    #[test]
    fn child_has_its_own_session_no_input_and_the_given_environment() {
        let (output, status) = finish(shell("cat; echo $NAME ${HOME-unset}; cut -d' ' -f1,6 /proc/$$/stat; exit 3"));
        let (variables, ids) = output.split_once('\n').unwrap();
        assert_eq!(variables, "value unset");
        let (pid, session) = ids.trim_end().split_once(' ').unwrap();
        assert_eq!(pid, session);
        assert_eq!(status, ExitStatus::Exited(3));
    }

    #[test]
    fn child_blocks_no_signals() {
        // As in a thread of the library, which blocks all signals.
        let blocked = std::thread::scope(|scope| {
            let thread = crate::sys::thread::spawn_scoped(scope, "test", || {
                finish(shell("sed -n 's/^SigBlk:\\t//p' /proc/self/status")).0
            });
            thread.unwrap().join().unwrap()
        });
        assert_eq!(blocked.trim(), "0000000000000000");
    }

    #[test]
    fn signal_ends_the_whole_process_group() {
        let mut child = shell("trap '' TERM; (sleep 1000) & echo ready; wait");
        let mut buffer = [0; 16];
        while child.read_output(&mut buffer).unwrap() == 0 {
            child.wait_for_output(Duration::from_millis(50)).unwrap();
        }
        child.signal(Signal::Terminate);
        assert_eq!(child.try_wait().unwrap(), None);
        child.signal(Signal::Kill);
        let start = Instant::now();
        // The streams end only if the inner process has ended as well.
        let (_, status) = finish(child);
        assert_eq!(status, ExitStatus::Signaled(libc::SIGKILL));
        assert!(start.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn reports_a_program_that_does_not_exist() {
        let error = Child::spawn(c"/nonexistent/program", &[], &[]).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
