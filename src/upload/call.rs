//! The inputs of one working call, passed down to everything that it does.

use super::options::Settings;
use super::session::Session;
use super::session::source_record::size_changed;
use crate::error::{Kind, Result};
use crate::http::RequestContext;
use crate::source::Source;

/// One working call.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) session: &'a Session,
    /// The settings at the start of the call.
    pub(crate) settings: &'a Settings,
    /// Whether the source is a stream: read from a callback, or written.
    pub(crate) is_stream: bool,
    pub(crate) context: &'a RequestContext,
}

impl Call<'_> {
    /// Opens the source; `None` if none is set, or it is a stream.
    ///
    /// # Errors
    /// As [`SourceSpec::open`](crate::source::SourceSpec::open); `SourceChanged` if a source of a known size has become empty.
    pub(crate) fn open_source(&self) -> Result<Option<Source>> {
        let Some(spec) = &self.settings.source else { return Ok(None) };
        spec.open().map_err(|error| match self.session.archive_size() {
            Some(before) if error.kind() == Kind::Invalid => size_changed(0, before),
            _ => error,
        })
    }

    /// Fails if a source of `size` bytes has another size than the archive.
    pub(crate) fn check_size(&self, size: u64) -> Result<()> {
        self.session.check_size(size, self.settings.archive_size)
    }

    /// Returns the size of the archive: that of the source, the one that was set, or the recorded one.
    ///
    /// # Errors
    /// `Invalid`, `SourceChanged` if the source has another size than the archive.
    pub(crate) fn archive_size(&self, source: Option<&Source>) -> Result<Option<u64>> {
        if let Some(source) = source {
            self.check_size(source.size())?;
            return Ok(Some(source.size()));
        }
        Ok(self.settings.archive_size.or(self.session.recorded_size()))
    }
}
