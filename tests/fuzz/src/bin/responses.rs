//! Fuzzes the HTTP response parser: any bytes, split anywhere, are parsed or rejected alike, without a panic.
#![no_main]

use glacier_mp::http::response::{Phase, ResponseReader};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u8, &[u8])| {
    let (size, bytes) = input;
    // A header line that has not ended may be rejected later in chunks than as a whole.
    let bytes = [bytes, b"\n"].concat();
    let whole = read([bytes.as_slice()]);
    let chunks = read(bytes.chunks(usize::from(size) + 1));
    assert_eq!(whole, chunks);
});

/// Returns the phase, and the response if it is complete; `None` if the input is rejected.
fn read<'a>(chunks: impl IntoIterator<Item = &'a [u8]>) -> Option<(Phase, Vec<u8>)> {
    let mut reader = ResponseReader::default();
    for chunk in chunks {
        reader.push(chunk).ok()?;
    }
    Some((reader.phase(), if reader.phase() == Phase::Complete { reader.normalized().ok()? } else { Vec::new() }))
}
