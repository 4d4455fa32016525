//! Any bytes of a connection are a response or refused, however they are split; none panics.
#![no_main]

use glacier_mp::http::response::{Phase, ResponseReader};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &[u8])| {
    let (size, bytes) = input;
    let whole = read([bytes]);
    let pieces = read(bytes.chunks(usize::from(size) + 1));
    assert_eq!(whole, pieces);
});

/// The response, once it is complete; `None` if it is refused.
fn read<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Option<(Phase, Vec<u8>)> {
    let mut reader = ResponseReader::default();
    for piece in pieces {
        reader.push(piece).ok()?;
    }
    Some((reader.phase(), if reader.phase() == Phase::Complete { reader.normalized().ok()? } else { Vec::new() }))
}
