//! IDs that begin with a hyphen, and text combined with binary bytes. In aws-cli issues 1550, 2399, 1319 and 7608 and
//! glacier-cmd issue 173 such IDs were parsed as options. In boto issues 2603, 3304, 3318 and 2209 headers and bytes were
//! joined to one string, which was no longer valid text.

use glacier_emulator::Emulator;
use glacier_mp::upload::Upload;

use crate::support::glacier::{CapturedLog, MIB, VAULT, archive, client, config};
use crate::{content, start, upload};

/// Initiates uploads until an ID begins with this character.
fn beginning_with(glacier: &Emulator, first: char) -> String {
    let client = client(config(glacier), &CapturedLog::default());
    loop {
        let upload = Upload::new(&client, VAULT).unwrap();
        upload.set_part_size(MIB).unwrap();
        upload.initiate().unwrap();
        let id = upload.id().unwrap().to_str().unwrap().to_owned();
        if id.starts_with(first) {
            return id;
        }
        upload.abort().unwrap();
    }
}

#[test]
fn accepts_upload_id_that_begins_with_hyphen() {
    let (glacier, content) = (start(), content(2_500_000));
    let attached = |id: &str| {
        let client = client(config(&glacier), &CapturedLog::default());
        let upload = Upload::new(&client, VAULT).unwrap();
        upload.set_upload_id(id).unwrap();
        upload
    };
    let id = beginning_with(&glacier, '-');
    attached(&id).put_part(0, &content[..1 << 20], None).unwrap();
    let listed = client(config(&glacier), &CapturedLog::default()).list_uploads(VAULT).unwrap();
    assert_eq!(listed.iter().map(|upload| &upload.id).collect::<Vec<_>>(), [&id]);
    assert_eq!(attached(&id).list_parts().unwrap().len(), 1);
    let file = crate::support::glacier::file(&content);
    let whole = attached(&id);
    whole.set_source_file(file.path()).unwrap();
    whole.run().unwrap();
    assert!(archive(&glacier) == content);

    let other = beginning_with(&glacier, '-');
    attached(&other).abort().unwrap();
    assert!(glacier.uploads().is_empty());
}

#[test]
fn uploads_binary_bytes_with_text_description() {
    let glacier = start();
    let content: Vec<u8> = (0..=255).cycle().take(2_500_000).collect();
    let text: String = (' '..='~').collect();
    let file = crate::support::glacier::file(&content);
    let first = upload(&glacier, |_| ());
    first.set_description(text.trim()).unwrap();
    first.set_source_file(file.path()).unwrap();
    first.initiate().unwrap();
    first.put_part(2, &content[2 << 20..], None).unwrap();

    // Also with a resumed upload.
    let second = upload(&glacier, |_| ());
    second.set_upload_id(first.id().unwrap().to_str().unwrap()).unwrap();
    second.set_source_file(file.path()).unwrap();
    second.run().unwrap();
    assert!(archive(&glacier) == content);
    assert_eq!(glacier.archives()[0].description.as_deref(), Some(text.trim()));
}
