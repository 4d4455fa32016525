//! Regular files. Other kinds are an error: a FIFO would make the command wait, and a device can have no end.

use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

/// Opens a regular file to read it.
///
/// # Errors
/// The file cannot be read, or is of another kind.
pub(crate) fn open_file(path: &Path) -> io::Result<File> {
    open_with(OpenOptions::new().read(true), path)
}

/// Opens a regular file, in the way that the options describe.
///
/// # Errors
/// The file cannot be opened, or is of another kind.
pub(crate) fn open_with(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    // Without O_NONBLOCK, opening a FIFO waits for a writer. The flag has no effect on regular files.
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).map_err(io::Error::other)?;
    let file = options.custom_flags(flags).open(path)?;
    check_kind(&file.metadata()?)?;
    Ok(file)
}

/// Returns the metadata of a regular file, which need not be readable.
///
/// # Errors
/// There is no such file, or it is of another kind.
pub(crate) fn metadata_of(path: &Path) -> io::Result<Metadata> {
    let metadata = std::fs::metadata(path)?;
    check_kind(&metadata)?;
    Ok(metadata)
}

fn check_kind(metadata: &Metadata) -> io::Result<()> {
    match metadata.file_type() {
        kind if kind.is_file() => Ok(()),
        kind if kind.is_dir() => Err(io::Error::other("it is a directory")),
        _ => Err(io::Error::other("it is not a regular file")),
    }
}
