//! Repeated comparisons of a source whose ctime changes.

use crate::error::{Error, Kind, Result};

/// The maximum number of comparisons of one call. A source that changes during each of them is not compared again: content that
/// was modified after the last one, with a restored mtime, would not be noticed.
const COMPARISONS_MAX: u32 = 3;

/// Repeats a comparison until it returns true: the identity of the source did not change while the source was compared.
///
/// # Errors
/// Those of `compare`; `SourceChanged` if the source changed during each comparison.
pub(crate) fn compare_until_unchanged(mut compare: impl FnMut() -> Result<bool>) -> Result<()> {
    for _ in 0..COMPARISONS_MAX {
        if compare()? {
            return Ok(());
        }
    }
    Err(Error::new(
        Kind::SourceChanged,
        format!("the source keeps changing: it was compared {COMPARISONS_MAX} times, and its ctime changed meanwhile"),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_source_that_stays_unchanged_in_last_comparison() {
        for changes in 0..COMPARISONS_MAX {
            let mut count = 0;
            compare_until_unchanged(|| {
                count += 1;
                Ok(count > changes)
            })
            .unwrap();
            assert_eq!(count, changes + 1);
        }
    }

    #[test]
    fn rejects_source_that_changes_in_each_comparison() {
        let mut count = 0;
        let error = compare_until_unchanged(|| {
            count += 1;
            Ok(false)
        });
        let error = error.unwrap_err();
        assert_eq!((error.kind(), count), (Kind::SourceChanged, COMPARISONS_MAX));
        assert!(error.message().contains("keeps changing"), "{error}");
    }

    #[test]
    fn error_ends_comparisons() {
        let failed = || Error::new(Kind::Io, "cannot read");
        assert_eq!(compare_until_unchanged(|| Err(failed())).unwrap_err().kind(), Kind::Io);
    }
}
