//! What no upload of so many bytes can do without, each by itself and on one thread. It prints the seconds of the
//! processor's time that its work took, without what went before.
//!
//! `floor hash one|sixteen PART_SIZE BYTES`, `floor encrypt HTTPS_ENDPOINT CA_FILE BYTES`, `floor send ADDRESS BYTES`,
//! `floor read FILE PART_SIZE`; and `floor receive`, which prints the address where it takes what is sent, until its
//! standard input ends.

use std::error::Error;
use std::fs::File;
use std::hint::black_box;
use std::io::{Read, Write, copy, sink, stdin};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::thread::spawn;

use compare::processor_time;
use glacier_mp::treehash::{Kernels, PartHasher};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// The library's memory limit, which it fills with parts: whatever is done to one finds it out of the nearest caches.
const HELD: usize = 256 << 20;

/// What goes into a system call, or into the cipher, at a time.
const PIECE: usize = 128 << 10;

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
        _ => return Err("see the head of its source".into()),
    };
    println!("cpu: {seconds}");
    Ok(())
}

/// Both hashes of parts, so many at once.
fn hash(at_once: usize, part_size: usize, bytes: usize) -> f64 {
    let data = held(part_size, bytes);
    let parts: Vec<_> = data.iter().map(Vec::as_slice).collect();
    let mut left = bytes / part_size;
    took(|| {
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

/// TLS as it is agreed on with this endpoint; what would be sent goes nowhere.
fn encrypt(endpoint: &str, ca_file: &str, bytes: usize) -> Result<f64> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca_file)?)?;
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    let address = endpoint.strip_prefix("https://").ok_or("no HTTPS endpoint")?;
    let mut tls = ClientConnection::new(Arc::new(config), ServerName::try_from("127.0.0.1")?)?;
    // Each piece is taken whole.
    tls.set_buffer_limit(None);
    let mut socket = TcpStream::connect(address)?;
    while tls.is_handshaking() {
        tls.complete_io(&mut socket)?;
    }
    in_pieces(bytes, |piece| {
        tls.writer().write_all(piece)?;
        while tls.wants_write() {
            tls.write_tls(&mut sink())?;
        }
        Ok(())
    })
}

fn send(address: &str, bytes: usize) -> Result<f64> {
    let mut socket = TcpStream::connect(address)?;
    in_pieces(bytes, |piece| Ok(socket.write_all(piece)?))
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
    let mut parts = held(part_size, left);
    let mut offset = 0;
    let mut outcome = Ok(());
    let seconds = took(|| {
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

/// Parts as the library holds them.
fn held(part_size: usize, bytes: usize) -> Vec<Vec<u8>> {
    let count = (HELD.min(bytes) / part_size).max(1);
    (0..count).map(|n| vec![n as u8 ^ 0x5a; part_size]).collect()
}

/// Gives so many bytes away.
fn in_pieces(bytes: usize, mut give: impl FnMut(&[u8]) -> Result<()>) -> Result<f64> {
    let data = vec![0x5a; HELD];
    let mut outcome = Ok(());
    let seconds = took(|| outcome = data.chunks(PIECE).cycle().take(bytes / PIECE).try_for_each(&mut give));
    outcome.map(|()| seconds)
}

fn took(work: impl FnOnce()) -> f64 {
    let before = processor_time();
    work();
    (processor_time() - before).as_secs_f64()
}
