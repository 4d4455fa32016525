//! The network cable is unplugged near the end of an upload and plugged in again. In aws-sdk-net issue 979 nine of ten such
//! uploads failed at 98 to 100 %.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use glacier_emulator::{Emulator, Operation, Options};
use glacier_mp::upload::Upload;

use crate::support::glacier::{CapturedLog, MIB, VAULT, archive, client, config, file};
use crate::{content, of, trust};

const SIZE: usize = 50 << 20;
const WORKERS: u32 = 4;

#[test]
fn unplugged_cable_at_98_percent_resends_only_parts_in_flight() {
    for tls in [false, true] {
        let glacier = Emulator::start(Options { tls, ..Options::default() }).unwrap();
        let cable = Cable::new(&glacier, SIZE as u64 / 100 * 98);
        let (content, lines) = (content(SIZE), CapturedLog::default());
        let file = file(&content);
        let mut config = config(&glacier);
        config.set_endpoint(&cable.endpoint).unwrap();
        config.set_concurrency(WORKERS).unwrap();
        // Long enough for a busy service.
        config.set_stall_timeout_ms(1500).unwrap();
        config.set_connect_timeout_ms(1500).unwrap();
        let _ca = trust(&glacier, &mut config);
        let upload = Upload::new(&client(config, &lines), VAULT).unwrap();
        upload.set_part_size(MIB).unwrap();
        upload.set_source_file(file.path()).unwrap();
        upload.run().unwrap();

        assert!(archive(&glacier) == content);
        assert_eq!(cable.link.failing.load(Ordering::SeqCst), 0, "the cable was unplugged and plugged in again");
        assert_eq!(of(&glacier, Operation::InitiateMultipartUpload).len(), 1);
        let mut sent: Vec<_> = of(&glacier, Operation::UploadMultipartPart).iter().map(|part| part.part).collect();
        let again = sent.len() - 50;
        assert!((1..=WORKERS as usize).contains(&again), "{again} parts were resent: {sent:?}");
        sent.sort_unstable();
        sent.dedup();
        assert_eq!(sent.len(), 50);
        let progress = upload.progress().unwrap();
        assert_eq!((progress.bytes_done, progress.parts_done), (SIZE as u64, 50));
        assert!(progress.bytes_sent > progress.bytes_done && progress.retries > 0, "{progress:?}");
    }
}

/// A network link to the service that fails after a number of bytes. Connections that exist then become silent without an
/// error. The first new connections fail too; later ones work.
struct Cable {
    endpoint: String,
    address: SocketAddr,
    link: Arc<Link>,
}

struct Link {
    service: String,
    /// The bytes until the link fails.
    left: AtomicU64,
    /// The number of new connections that still fail.
    failing: AtomicU64,
    /// Both ends of all connections.
    ends: Mutex<Vec<TcpStream>>,
    is_over: AtomicBool,
}

impl Cable {
    fn new(service: &Emulator, bytes: u64) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let (scheme, service) = service.endpoint().split_once("://").unwrap();
        let link = Arc::new(Link {
            service: service.to_owned(),
            left: AtomicU64::new(bytes),
            failing: AtomicU64::new(6),
            ends: Mutex::default(),
            is_over: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&link);
        thread::spawn(move || {
            for client in listener.incoming().take_while(|_| !accepting.is_over.load(Ordering::SeqCst)) {
                accepting.connect(client.unwrap());
            }
        });
        Self { endpoint: format!("{scheme}://{address}"), address, link }
    }
}

impl Drop for Cable {
    fn drop(&mut self) {
        self.link.is_over.store(true, Ordering::SeqCst);
        for end in self.link.ends.lock().unwrap().iter() {
            let _ = end.shutdown(Shutdown::Both);
        }
        // Wakes the listener, which then ends.
        let _ = TcpStream::connect(self.address);
    }
}

impl Link {
    fn has_failed(&self) -> bool {
        self.left.load(Ordering::SeqCst) == 0
    }

    fn connect(self: &Arc<Self>, client: TcpStream) {
        let existed_before = !self.has_failed();
        self.ends.lock().unwrap().push(client.try_clone().unwrap());
        let one_less = |left: u64| left.checked_sub(1);
        if !existed_before && self.failing.fetch_update(Ordering::SeqCst, Ordering::SeqCst, one_less).is_ok() {
            return;
        }
        let service = TcpStream::connect(&self.service).unwrap();
        self.ends.lock().unwrap().push(service.try_clone().unwrap());
        for (from, to) in [(&client, &service), (&service, &client)] {
            let (link, from, to) = (Arc::clone(self), from.try_clone().unwrap(), to.try_clone().unwrap());
            thread::spawn(move || link.copy(from, to, existed_before));
        }
    }

    /// Copies bytes from one end to the other. Bytes of a connection that existed when the link failed are lost.
    fn copy(&self, mut from: TcpStream, mut to: TcpStream, existed_before: bool) {
        let mut buffer = vec![0; 64 << 10];
        while let Ok(length @ 1..) = from.read(&mut buffer) {
            let less = |left: u64| Some(left.saturating_sub(length as u64));
            let _ = self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
            let is_lost = existed_before && self.has_failed();
            if !is_lost && to.write_all(&buffer[..length]).is_err() {
                break;
            }
        }
        if !(existed_before && self.has_failed()) {
            let _ = to.shutdown(Shutdown::Write);
        }
    }
}
