//! Starts and stops the proxy programs, each with its own configuration in a temporary directory.

use std::fmt::Write;
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A program that is a proxy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    Tinyproxy,
    Squid,
    /// squid, with TLS between client and proxy.
    SquidTls,
}

/// What a proxy allows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    /// Everything.
    Open,
    /// Everything, to clients with [`USER`] and [`PASSWORD`].
    Authenticated,
    /// No connection to a port of the tests.
    Denied,
}

const USER: &str = "backup";
const PASSWORD: &str = "sesame-7";
/// The password in a proxy URL. It has an escape that the client must decode.
const ENCODED_PASSWORD: &str = "%73esame-7";

/// A running proxy. Dropping it stops the program.
pub(crate) struct Proxy {
    child: Child,
    port: u16,
    program: Program,
    access: Access,
    pub(crate) ca_pem: Option<String>,
    pub(crate) directory: TempDir,
}

impl Proxy {
    pub(crate) fn start(program: Program, access: Access) -> Self {
        // Another process may take a free port before the program listens on it.
        (0..5).find_map(|_| Self::try_start(program, access)).unwrap_or_else(|| panic!("{program:?} does not start"))
    }

    fn try_start(program: Program, access: Access) -> Option<Self> {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let directory = tempfile::tempdir().unwrap();
        // As root, squid changes to the user proxy, who must be able to read the files.
        std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let ca_pem = (program == Program::SquidTls).then(|| write_certificate(directory.path()));
        // The programs run in the directory and get relative names: the path may contain spaces.
        let file = "proxy.conf";
        let write = |settings| write_public(&directory.path().join(file), settings);
        let mut command = match program {
            Program::Tinyproxy => {
                write(&tinyproxy_settings(port, access));
                let mut command = Command::new("tinyproxy");
                command.args(["-d", "-c", file]);
                command
            }
            Program::Squid | Program::SquidTls => {
                write(&squid_settings(program, port, access, directory.path()));
                // /usr/sbin is not in the search path of every user. The name separates the shared memory of several squids.
                let mut command = Command::new("/usr/sbin/squid");
                command.args(["-N", "-n", &format!("glacier{port}"), "-f", file]);
                command
            }
        };
        let child = command
            .current_dir(directory.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let child = child.unwrap_or_else(|error| {
            panic!("{program:?} cannot be started: {error}; run scripts/prerequisites test-rust to install it")
        });
        let mut proxy = Self { child, port, program, access, ca_pem, directory };
        proxy.listens().then_some(proxy)
    }

    /// Waits until the program listens. Returns false if it has ended, as it does if another program has the port.
    fn listens(&mut self) -> bool {
        let start = Instant::now();
        while !self.has_listener() {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            assert!(start.elapsed() < Duration::from_secs(60), "{:?} does not listen", self.program);
            sleep(Duration::from_millis(10));
        }
        true
    }

    /// Returns true if the listener of the port is a descriptor of the program.
    fn has_listener(&self) -> bool {
        const LISTEN: &str = "0A";
        let table = fs::read_to_string("/proc/net/tcp").unwrap();
        let own = format!("{:08X}:{:04X}", u32::from(Ipv4Addr::LOCALHOST).to_be(), self.port);
        let listener = table.lines().find_map(|line| {
            let fields: Vec<_> = line.split_ascii_whitespace().collect();
            (fields.get(1) == Some(&own.as_str()) && fields.get(3) == Some(&LISTEN))
                .then(|| format!("socket:[{}]", fields[9]))
        });
        let Some(listener) = listener else { return false };
        let Ok(descriptors) = fs::read_dir(format!("/proc/{}/fd", self.child.id())) else { return false };
        descriptors.flatten().any(|descriptor| {
            fs::read_link(descriptor.path()).is_ok_and(|target| target.as_os_str() == listener.as_str())
        })
    }

    /// Returns the URL, with user name and password if the proxy requires them.
    pub(crate) fn url(&self) -> String {
        match self.access {
            Access::Authenticated => self.url_with(&format!("{USER}:{ENCODED_PASSWORD}@")),
            _ => self.url_with(""),
        }
    }

    pub(crate) fn url_with(&self, user_info: &str) -> String {
        match self.program {
            Program::SquidTls => format!("https://{user_info}localhost:{}", self.port),
            _ => format!("http://{user_info}127.0.0.1:{}", self.port),
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        // squid removes its shared memory if it ends in order.
        if let Ok(pid) = libc::pid_t::try_from(self.child.id()) {
            // SAFETY: the child was not waited for, so the number is still its own.
            #[allow(unsafe_code)]
            let _ = unsafe { libc::kill(pid, libc::SIGTERM) };
        }
        let start = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && start.elapsed() < Duration::from_secs(20) {
            sleep(Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn tinyproxy_settings(port: u16, access: Access) -> String {
    let mut text =
        format!("Port {port}\nListen 127.0.0.1\nTimeout 600\nMaxClients 100\nLogLevel Critical\nLogFile \"log\"\n");
    match access {
        Access::Open => {}
        Access::Authenticated => writeln!(text, "BasicAuth {USER} {PASSWORD}").unwrap(),
        Access::Denied => text += "ConnectPort 1\n",
    }
    text
}

fn squid_settings(program: Program, port: u16, access: Access, directory: &Path) -> String {
    let mut text = match program {
        Program::SquidTls => {
            format!("https_port 127.0.0.1:{port} tls-cert=certificate.pem tls-key=key.pem\n")
        }
        _ => format!("http_port 127.0.0.1:{port}\n"),
    };
    text += &match access {
        Access::Open => "http_access allow all\n".to_owned(),
        Access::Denied => "http_access deny all\n".to_owned(),
        Access::Authenticated => {
            let helper = format!(
                "while read -r user password; do\n  case $user:$password in {USER}:{PASSWORD}) echo OK ;; *) echo ERR ;; esac\n\
                 done\n"
            );
            write_public(&directory.join("helper.sh"), &helper);
            "auth_param basic program /bin/sh helper.sh\nauth_param basic realm tests\nacl known proxy_auth REQUIRED\n\
             http_access allow known\nhttp_access deny all\n"
                .to_owned()
        }
    };
    let rest = "cache deny all\naccess_log none\ncache_log /dev/null\ncache_store_log none\npid_filename none\npinger_enable off\n\
        shutdown_lifetime 0 seconds\n";
    text + rest
}

/// Writes a file that other users can read, also if the umask denies it.
fn write_public(path: &Path, text: &str) {
    std::fs::write(path, text).unwrap();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644)).unwrap();
}

/// Writes a certificate for localhost and its key. Returns the certificate.
fn write_certificate(directory: &Path) -> String {
    let certified = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let pem = certified.cert.pem();
    write_public(&directory.join("certificate.pem"), &pem);
    write_public(&directory.join("key.pem"), &certified.signing_key.serialize_pem());
    pem
}
