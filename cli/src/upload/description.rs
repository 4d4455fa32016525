//! The default description of an archive.

use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use glacier_mp::limits::DESCRIPTION_MAX;

/// Returns the name of a file as a description: printable ASCII without spaces at its ends. Other bytes and `%` are
/// percent-encoded, so that the name can be recovered.
pub(crate) fn default_description(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().as_bytes();
    let mut text = String::new();
    for (index, byte) in name.iter().enumerate() {
        let is_end = index == 0 || index + 1 == name.len();
        match byte {
            b'%' | ..b' ' | 0x7f.. => text += &format!("%{byte:02X}"),
            b' ' if is_end => text += "%20",
            byte => text.push(char::from(*byte)),
        }
    }
    text.truncate(DESCRIPTION_MAX);
    text
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use glacier_mp::limits::check_description;

    use super::*;

    #[test]
    fn encodes_names_that_no_description_can_have() {
        for (name, description) in [
            (&b"/a/backup 1.tar"[..], "backup 1.tar"),
            ("/k\u{e4}se".as_bytes(), "k%C3%A4se"),
            (b"/ x ", "%20x%20"),
            (b"/100%", "100%25"),
            (b"/\xff\n", "%FF%0A"),
        ] {
            let text = default_description(Path::new(OsStr::from_bytes(name)));
            assert_eq!(text, description);
            check_description(&text).unwrap();
        }
    }
}
