//! The XML documents of STS: keys, and errors.
//!
//! The documents are parsed by quick-xml, which reads without copying, expands no external entities and needs no other crate
//! than memchr. Elements are found by their path, so that a text elsewhere in the document cannot be taken for a key.

use quick_xml::Reader;
use quick_xml::events::{BytesRef, Event};
use zeroize::Zeroizing;

use crate::secret::Secret;

/// The keys of a response.
pub(super) struct StsKeys {
    pub(super) access_key_id: String,
    pub(super) secret_access_key: Secret,
    pub(super) session_token: Secret,
    pub(super) expiration: String,
}

/// An error of STS.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct StsError {
    pub(super) code: String,
    pub(super) message: String,
}

/// The maximum depth of a document. Those of STS have at most 4 levels.
const DEPTH_MAX: usize = 16;

/// Reads the keys of a response, or returns the problem.
pub(super) fn keys(body: &[u8]) -> Result<StsKeys, String> {
    let mut texts = texts(body, "Credentials", ["AccessKeyId", "SecretAccessKey", "SessionToken", "Expiration"])?;
    let mut take = |index: usize, name: &str| -> Result<Zeroizing<String>, String> {
        let text = texts.get_mut(index).and_then(Option::take);
        text.filter(|text| !text.is_empty()).ok_or_else(|| format!("it has no {name}"))
    };
    Ok(StsKeys {
        access_key_id: take(0, "AccessKeyId")?.to_string(),
        secret_access_key: Secret::from(take(1, "SecretAccessKey")?.as_str()),
        session_token: Secret::from(take(2, "SessionToken")?.as_str()),
        expiration: take(3, "Expiration")?.to_string(),
    })
}

/// Reads an error document. Returns `None` if the body is another document, for example of a proxy.
pub(super) fn error(body: &[u8]) -> Option<StsError> {
    let [code, message] = texts(body, "Error", ["Code", "Message"]).ok()?;
    let code = code.filter(|code| !code.is_empty())?;
    Some(StsError { code: code.to_string(), message: message.unwrap_or_default().to_string() })
}

/// The texts of elements, in the order of their names.
type Texts<const N: usize> = [Option<Zeroizing<String>>; N];

/// Returns the texts of the children with these names of the first element `parent`.
fn texts<const N: usize>(body: &[u8], parent: &str, names: [&str; N]) -> Result<Texts<N>, String> {
    let text = std::str::from_utf8(body).map_err(|_| "it is not UTF-8".to_owned())?;
    let mut found = [const { None }; N];
    let mut path: Vec<String> = Vec::new();
    let mut reader = Reader::from_str(text);
    loop {
        let event = reader.read_event().map_err(|_| "it is not XML".to_owned())?;
        let place = place(&path, parent, &names);
        match event {
            Event::Start(_) if path.len() == DEPTH_MAX => return Err("its elements are nested too deeply".to_owned()),
            Event::Start(start) => path.push(start.local_name().as_ref().to_owned()),
            Event::End(_) => {
                if path.pop().is_some_and(|name| name == parent) {
                    return Ok(found);
                }
            }
            Event::Text(piece) => append(&mut found, place, &piece.xml10_content(), text.len()),
            Event::CData(piece) => append(&mut found, place, &piece.xml10_content(), text.len()),
            Event::GeneralRef(reference) => append(&mut found, place, &resolve(&reference)?, text.len()),
            Event::DocType(_) => return Err("it has a document type".to_owned()),
            Event::Eof => return Err(format!("it has no {parent}")),
            Event::Empty(_) | Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
        }
    }
}

/// Returns the place of the current element among `names`, if it is a child of `parent`.
fn place(path: &[String], parent: &str, names: &[&str]) -> Option<usize> {
    match path {
        [.., outer, inner] if outer == parent => names.iter().position(|name| name == inner),
        _ => None,
    }
}

/// Appends a piece of text. The whole text is shorter than the document, so that it never grows: growth would leave copies.
fn append<const N: usize>(found: &mut Texts<N>, place: Option<usize>, piece: &str, document_length: usize) {
    if let Some(slot) = place.and_then(|place| found.get_mut(place)) {
        slot.get_or_insert_with(|| Zeroizing::new(String::with_capacity(document_length))).push_str(piece);
    }
}

/// Returns the text of a character reference or of one of the five predefined entities.
fn resolve(reference: &BytesRef<'_>) -> Result<String, String> {
    let unknown = || "it has an unknown entity".to_owned();
    if let Some(character) = reference.resolve_char_ref().map_err(|_| unknown())? {
        return Ok(character.to_string());
    }
    quick_xml::escape::resolve_xml_entity(&reference.xml10_content()).map(str::to_owned).ok_or_else(unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: &str = "<AccessKeyId>ASIA</AccessKeyId><SecretAccessKey>s&amp;&#x2F;<![CDATA[<]]></SecretAccessKey>\
        <SessionToken>t</SessionToken><Expiration>2026-01-31T13:00:00Z</Expiration>";

    fn document(inner: &str) -> String {
        format!(
            "<?xml version=\"1.0\"?><AssumeRoleResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\">\
             <AssumeRoleResult><!-- {KEYS} --><Credentials>{inner}</Credentials></AssumeRoleResult></AssumeRoleResponse>"
        )
    }

    #[test]
    fn reads_keys_and_decodes_entities() {
        let keys = keys(document(KEYS).as_bytes()).unwrap();
        assert_eq!((keys.access_key_id.as_str(), keys.expiration.as_str()), ("ASIA", "2026-01-31T13:00:00Z"));
        assert_eq!((keys.secret_access_key.expose(), keys.session_token.expose()), ("s&/<", "t"));
    }

    #[test]
    fn rejects_other_documents() {
        for (text, expected) in [
            ("", "no Credentials"),
            ("{}", "no Credentials"),
            ("<html><body>login</body></html>", "no Credentials"),
            ("<a><b></a>", "not XML"),
            (&document("<AccessKeyId>A</AccessKeyId>"), "no SecretAccessKey"),
            (&document("<AccessKeyId></AccessKeyId>"), "no AccessKeyId"),
            (&document("<x><AccessKeyId>A</AccessKeyId></x>"), "no AccessKeyId"),
            (&document(&KEYS.replace("&amp;", "&xxe;")), "unknown entity"),
            ("<!DOCTYPE a [<!ENTITY xxe SYSTEM \"file:///etc/passwd\">]><a/>", "document type"),
            (&"<a>".repeat(100_000), "too deeply"),
        ] {
            let problem = keys(text.as_bytes()).err().unwrap();
            assert!(problem.contains(expected), "{text:.60}: {problem}");
        }
    }

    #[test]
    fn reads_errors() {
        let text = "<ErrorResponse xmlns=\"x\"><Error><Type>Sender</Type><Code>AccessDenied</Code><Message>no &lt;role&gt;</Message>\
            </Error><RequestId>1</RequestId></ErrorResponse>";
        let expected = StsError { code: "AccessDenied".to_owned(), message: "no <role>".to_owned() };
        assert_eq!(error(text.as_bytes()), Some(expected));
        assert_eq!(error(b"<html>502</html>"), None);
    }
}
