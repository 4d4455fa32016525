//! Pages of a list: the parameter `limit`, and opaque markers.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::head::Head;
use crate::ids::IdGenerator;
use crate::number;
use crate::refusal::Refusal;
use crate::stop::lock;
use crate::unspecified::PAGE_MAX;

/// The issued markers. Each one stands for a position in one list.
#[derive(Debug, Default)]
pub(crate) struct Markers {
    positions: Mutex<HashMap<String, ListPosition>>,
}

/// A list, by its path, and the key of the next entry.
#[derive(Clone, Debug, PartialEq, Eq)]
struct ListPosition {
    list: String,
    next: String,
}

/// A page and the marker of the next page.
#[derive(Debug)]
pub(crate) struct Page<T> {
    pub(crate) entries: Vec<T>,
    pub(crate) marker: Option<String>,
}

impl Markers {
    /// Returns the page that a request asks for. `list` names the list. `entries` are sorted by their keys.
    pub(crate) fn page<T>(
        &self,
        head: &Head,
        list: &str,
        page_max: usize,
        ids: &IdGenerator,
        entries: Vec<(String, T)>,
    ) -> Result<Page<T>, Refusal> {
        let limit = limit(head, PAGE_MAX)?.min(page_max);
        let from = match head.query("marker") {
            None => String::new(),
            Some(marker) => self.find(list, &marker)?,
        };
        let mut rest = entries.into_iter().skip_while(|(key, _)| *key < from);
        let page = rest.by_ref().take(limit).map(|(_, entry)| entry).collect();
        let marker = rest.next().map(|(next, _)| {
            let marker = ids.marker();
            lock(&self.positions).insert(marker.clone(), ListPosition { list: list.to_owned(), next });
            marker
        });
        Ok(Page { entries: page, marker })
    }

    fn find(&self, list: &str, marker: &str) -> Result<String, Refusal> {
        match lock(&self.positions).get(marker) {
            Some(position) if position.list == list => Ok(position.next.clone()),
            _ => Err(Refusal::invalid(format!("Invalid marker: {marker}"))),
        }
    }
}

/// Returns the parameter `limit` of a request, or `default`.
pub(crate) fn limit(head: &Head, default: usize) -> Result<usize, Refusal> {
    let Some(text) = head.query("limit") else { return Ok(default) };
    match number::unsigned(&text) {
        Some(limit) if (1..=PAGE_MAX).contains(&limit) => Ok(limit),
        _ => Err(Refusal::invalid(format!("Invalid limit: {text}. Limit must be between 1 and {PAGE_MAX}."))),
    }
}
