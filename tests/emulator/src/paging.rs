//! Pages of a list: `limit`, and markers that mean nothing to a client.

use std::collections::HashMap;
use std::sync::Mutex;

use crate::choices::PAGE_MAX;
use crate::http::Head;
use crate::ids::Ids;
use crate::number;
use crate::refusal::Refusal;
use crate::stop::lock;

/// The markers given out: each stands for a place in one list.
#[derive(Debug, Default)]
pub(crate) struct Markers {
    places: Mutex<HashMap<String, Place>>,
}

/// A list, by its path, and the key of the next entry.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    list: String,
    next: String,
}

/// One page, and the marker of the next.
#[derive(Debug)]
pub(crate) struct Page<T> {
    pub(crate) entries: Vec<T>,
    pub(crate) marker: Option<String>,
}

impl Markers {
    /// The page that a request asks for. `list` names the list; `entries` are in the order of their keys.
    pub(crate) fn page<T>(
        &self,
        head: &Head,
        list: &str,
        page_max: usize,
        ids: &Ids,
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
            lock(&self.places).insert(marker.clone(), Place { list: list.to_owned(), next });
            marker
        });
        Ok(Page { entries: page, marker })
    }

    fn find(&self, list: &str, marker: &str) -> Result<String, Refusal> {
        match lock(&self.places).get(marker) {
            Some(place) if place.list == list => Ok(place.next.clone()),
            _ => Err(Refusal::invalid(format!("Invalid marker: {marker}"))),
        }
    }
}

/// The `limit` of a request; `default` without one.
pub(crate) fn limit(head: &Head, default: usize) -> Result<usize, Refusal> {
    let Some(text) = head.query("limit") else { return Ok(default) };
    match number::unsigned(&text) {
        Some(limit) if (1..=PAGE_MAX).contains(&limit) => Ok(limit),
        _ => Err(Refusal::invalid(format!("Invalid limit: {text}. Limit must be between 1 and {PAGE_MAX}."))),
    }
}
