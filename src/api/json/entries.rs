//! The entries of a list page: at most a fixed number. A hostile page has tens of thousands.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Visitor};

/// The maximum number of entries in a page that is read. The library requests 50, and some documents of the service
/// name pages of 1,000.
pub(super) const ENTRIES_MAX: usize = 1000;

/// Reads a list, for `deserialize_with`.
pub(super) fn deserialize<'de, T: Deserialize<'de>, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<T>, D::Error> {
    deserializer.deserialize_seq(EntriesVisitor(PhantomData))
}

struct EntriesVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for EntriesVisitor<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = list.next_element()? {
            if entries.len() == ENTRIES_MAX {
                return Err(A::Error::custom(format_args!("a page of the list has more than {ENTRIES_MAX} entries")));
            }
            entries.push(entry);
        }
        Ok(entries)
    }
}
