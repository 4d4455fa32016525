//! The matrix: each fault at each place, over HTTP and HTTPS, struck once and for good, of files and of streams, with a
//! journal and without.

mod cell;
mod place;
mod rows;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use self::cell::Cell;
use self::place::Place;
use self::rows::{Row, rows};
use crate::scene::Way;
use crate::text_of;

/// Many cells wait for a while, so there are more threads than cores.
const THREADS: usize = 12;

#[test]
fn each_fault_at_each_place() {
    let rows = rows();
    let cells: Vec<_> = rows.iter().flat_map(cells_of).collect();
    let played = play_all(&cells);
    // Shown whether the test passes or not.
    write!(std::io::stdout(), "\n{}\n{} cells\n", table(&rows, &cells, &played), cells.len()).unwrap();
    let failed: Vec<_> =
        cells.iter().zip(&played).filter_map(|(cell, word)| Some((cell, word.as_ref().err()?))).collect();
    for (Cell { row, place, tls, lasting, way, .. }, why) in &failed {
        println!("{}, {}, TLS {tls}, lasting {lasting}, {way:?}: {why}\n", row.name, place.name());
    }
    assert!(failed.is_empty(), "{} of {} cells failed", failed.len(), cells.len());
}

fn cells_of(row: &Row) -> Vec<Cell<'_>> {
    let mut cells = Vec::new();
    for lasting in [false, true] {
        for place in Place::ALL.into_iter().filter(|place| row.fits(*place)) {
            for tls in [false, true] {
                cells.extend(ways_of(place, tls).into_iter().map(|way| Cell { row, place, tls, lasting, way }));
            }
        }
    }
    cells
}

/// Two of the four ways over each scheme; of what has no bytes, one.
fn ways_of(place: Place, tls: bool) -> Vec<Way> {
    let way = |(pushed, journal)| Way { pushed, journal };
    let ways = match (place, tls) {
        (Place::Abort | Place::UploadsPage(_), _) => &[(false, false)][..],
        (_, false) => &[(false, false), (true, true)],
        (_, true) => &[(false, true), (true, false)],
    };
    ways.iter().copied().map(way).collect()
}

/// What each cell came to, or why it failed.
fn play_all(cells: &[Cell<'_>]) -> Vec<Result<String, String>> {
    let left = Mutex::new(cells.iter().enumerate());
    let played = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let Some((number, cell)) = left.lock().unwrap().next() else { break };
                    let outcome = catch_unwind(AssertUnwindSafe(|| cell.play()));
                    let word = outcome.unwrap_or_else(|panic| Err(text_of(&*panic))).map(cell::Outcome::word);
                    played.lock().unwrap().insert(number, word);
                }
            });
        }
    });
    played.into_inner().unwrap().into_values().collect()
}

/// A line for each fault, struck once and for good, and a column for each place and scheme. In a cell stands what the first
/// handle comes to, and after how many such requests; after a failure, the next one gets it done.
fn table(rows: &[Row], cells: &[Cell<'_>], played: &[Result<String, String>]) -> String {
    let columns = || Place::ALL.into_iter().flat_map(|place| [(place, false), (place, true)]);
    let scheme = |tls| if tls { "https" } else { "http" };
    let mut lines = vec![vec![String::new()]; 2];
    lines[0].extend(columns().map(|(place, _)| place.name()));
    lines[1].extend(columns().map(|(_, tls)| scheme(tls).to_owned()));
    for row in rows {
        for lasting in [false, true] {
            let mut line = vec![format!("{}{}", row.name, if lasting { ", always" } else { "" })];
            for column in columns() {
                let of_column = |cell: &Cell<'_>| {
                    std::ptr::eq(cell.row, row) && cell.lasting == lasting && (cell.place, cell.tls) == column
                };
                let here = cells.iter().zip(played).filter(|(cell, _)| of_column(cell));
                let words: BTreeSet<_> = here.map(|(_, word)| word.as_deref().unwrap_or("FAILED")).collect();
                line.push(words.into_iter().collect::<Vec<_>>().join("|"));
            }
            lines.push(line);
        }
    }
    let width = |column: usize| lines.iter().map(|line| line[column].len()).max().unwrap_or(0);
    let widths: Vec<_> = (0..lines[0].len()).map(width).collect();
    lines.iter().fold(String::new(), |mut text, line| {
        line.iter().zip(&widths).for_each(|(word, width)| write!(text, "{word:width$}  ").unwrap());
        text.truncate(text.trim_end().len());
        text + "\n"
    })
}
