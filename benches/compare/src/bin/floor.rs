//! The work that every upload requires, one kind at a time and on one thread. Prints the CPU seconds without the setup.
//!
//! `floor hash one|sixteen PART_SIZE BYTES`, `floor encrypt HTTPS_ENDPOINT CA_FILE BYTES`, `floor send ADDRESS BYTES`,
//! `floor read FILE PART_SIZE`; and `floor receive`, which prints its address and discards what it receives until its
//! standard input ends.

use std::error::Error;
use std::fs::File;
use std::hint::black_box;
use std::io::{Read, Write, copy, sink, stdin};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::thread::spawn;

use compare::cpu_time;
use glacier_mp::treehash::{Kernels, PartHasher};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The library's default memory limit. Uploads fill it with parts, so no part is in the L1 or L2 cache.
const MEMORY_LIMIT: usize = 256 << 20;

/// The number of bytes per system call or encryption.
const CHUNK: usize = 128 << 10;

fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let seconds = match arguments[..] {
        ["hash", "one", part_size, bytes] => hash(1, part_size.parse()?, bytes.parse()?),
        ["hash", "sixteen", part_size, bytes] => hash(16, part_size.parse()?, bytes.parse()?),
        ["encrypt", endpoint, ca_file, bytes] => encrypt(endpoint, ca_file, bytes.parse()?)?,
        ["send", address, bytes] => send(address, bytes.parse()?)?,
        ["read", file, part_size] => read(file, part_size.parse()?)?,
        ["receive"] => return receive(),
        _ => return Err("invalid arguments: see the top of floor.rs".into()),
    };
    println!("cpu: {seconds}");
    Ok(())
}

/// Computes both hashes of parts, `at_once` parts at a time.
fn hash(at_once: usize, part_size: usize, bytes: usize) -> f64 {
    let data = parts(part_size, bytes);
    let parts: Vec<_> = data.iter().map(Vec::as_slice).collect();
    let mut left = bytes / part_size;
    measure(|| {
        while left > 0 {
            for group in parts.chunks(at_once) {
                let group = &group[..group.len().min(left)];
                left -= group.len();
                let mut hashers = vec![PartHasher::new(); group.len()];
                Kernels::best().update_parts(&mut hashers.iter_mut().zip(group.iter().copied()).collect::<Vec<_>>());
                hashers.iter_mut().for_each(|hasher| _ = black_box(hasher.finish()));
            }
        }
    })
}

/// Encrypts with the TLS parameters negotiated with the endpoint. The output is discarded.
fn encrypt(endpoint: &str, ca_file: &str, bytes: usize) -> Result<f64> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca_file)?)?;
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let address = endpoint.strip_prefix("https://").ok_or("no HTTPS endpoint")?;
    let mut tls = ClientConnection::new(Arc::new(config), ServerName::try_from("127.0.0.1")?)?;
    // Accepts each chunk as a whole.
    tls.set_buffer_limit(None);
    let mut socket = TcpStream::connect(address)?;
    while tls.is_handshaking() {
        tls.complete_io(&mut socket)?;
    }
    in_chunks(bytes, |chunk| {
        tls.writer().write_all(chunk)?;
        while tls.wants_write() {
            tls.write_tls(&mut sink())?;
        }
        Ok(())
    })
}

fn send(address: &str, bytes: usize) -> Result<f64> {
    let mut socket = TcpStream::connect(address)?;
    in_chunks(bytes, |chunk| Ok(socket.write_all(chunk)?))
}

fn receive() -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    spawn(move || {
        let mut buffer = vec![0; 256 << 10];
        for mut socket in listener.incoming().flatten() {
            while socket.read(&mut buffer).is_ok_and(|length| length > 0) {}
        }
    });
    copy(&mut stdin(), &mut sink())?;
    Ok(())
}

fn read(path: &str, part_size: usize) -> Result<f64> {
    let file = File::open(path)?;
    let mut left = usize::try_from(file.metadata()?.len())?;
    let mut parts = parts(part_size, left);
    let mut offset = 0;
    let mut outcome = Ok(());
    let seconds = measure(|| {
        for n in 0.. {
            let which = n % parts.len();
            let part = &mut parts[which][..part_size.min(left)];
            outcome = file.read_exact_at(part, offset);
            left -= part.len();
            offset += part.len() as u64;
            if left == 0 || outcome.is_err() {
                break;
            }
        }
    });
    outcome?;
    Ok(seconds)
}

/// Returns as many parts as the library holds in memory.
fn parts(part_size: usize, bytes: usize) -> Vec<Vec<u8>> {
    let count = (MEMORY_LIMIT.min(bytes) / part_size).max(1);
    (0..count).map(|n| vec![n as u8 ^ 0x5a; part_size]).collect()
}

/// Passes `bytes` bytes to `consume` in chunks.
fn in_chunks(bytes: usize, mut consume: impl FnMut(&[u8]) -> Result<()>) -> Result<f64> {
    let data = vec![0x5a; MEMORY_LIMIT];
    let mut outcome = Ok(());
    let seconds = measure(|| outcome = data.chunks(CHUNK).cycle().take(bytes / CHUNK).try_for_each(&mut consume));
    outcome.map(|()| seconds)
}

fn measure(work: impl FnOnce()) -> f64 {
    let before = cpu_time();
    work();
    (cpu_time() - before).as_secs_f64()
}
