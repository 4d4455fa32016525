//! The fault matrix: each fault at each request, over HTTP and HTTPS, once and lasting, for files and streams, with and
//! without a journal.

mod cell;
mod rows;
mod target;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use self::cell::Cell;
use self::rows::{Row, rows};
use self::target::Target;
use crate::fixture::{Setup, SourceKind};
use crate::panic_text;

/// The number of threads. Many cells wait, so there are more threads than cores.
const THREADS: usize = 12;

#[test]
fn handles_each_fault_at_each_request() {
    let rows = rows();
    let cells: Vec<_> = rows.iter().flat_map(cells_of).collect();
    let ran = run_all(&cells);
    // Printed whether the test passes or fails.
    write!(std::io::stdout(), "\n{}\n{} cells\n", table(&rows, &cells, &ran), cells.len()).unwrap();
    let failed: Vec<_> = cells.iter().zip(&ran).filter_map(|(cell, word)| Some((cell, word.as_ref().err()?))).collect();
    for (Cell { row, target, tls, lasting, setup, .. }, why) in &failed {
        println!("{}, {}, TLS {tls}, lasting {lasting}, {setup:?}: {why}\n", row.name, target.name());
    }
    assert!(failed.is_empty(), "{} of {} cells failed", failed.len(), cells.len());
}

fn cells_of(row: &Row) -> Vec<Cell<'_>> {
    let mut cells = Vec::new();
    for lasting in [false, true] {
        for target in Target::ALL.into_iter().filter(|target| row.fits(*target)) {
            for tls in [false, true] {
                cells.extend(setups_of(target, tls).into_iter().map(|setup| Cell { row, target, tls, lasting, setup }));
            }
        }
    }
    cells
}

/// Two of the four setups for each scheme. Operations without bytes have one.
fn setups_of(target: Target, tls: bool) -> Vec<Setup> {
    let setup = |(source, journal)| Setup { source, journal };
    let setups = match (target, tls) {
        (Target::Abort | Target::UploadsPage(_), _) => &[(SourceKind::File, false)][..],
        (_, false) => &[(SourceKind::File, false), (SourceKind::Stream, true)],
        (_, true) => &[(SourceKind::File, true), (SourceKind::Stream, false)],
    };
    setups.iter().copied().map(setup).collect()
}

/// Runs all cells. The results are the labels of the outcomes, or the reasons of the failures.
fn run_all(cells: &[Cell<'_>]) -> Vec<Result<String, String>> {
    let left = Mutex::new(cells.iter().enumerate());
    let ran = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let Some((number, cell)) = left.lock().unwrap().next() else { break };
                    let outcome = catch_unwind(AssertUnwindSafe(|| cell.run()));
                    let label = outcome.unwrap_or_else(|panic| Err(panic_text(&*panic))).map(cell::Outcome::label);
                    ran.lock().unwrap().insert(number, label);
                }
            });
        }
    });
    ran.into_inner().unwrap().into_values().collect()
}

/// The table: a row for each fault, once and lasting, and a column for each target and scheme. A cell shows the outcome of
/// the first handle and the number of requests. After a failure a second handle must succeed.
fn table(rows: &[Row], cells: &[Cell<'_>], ran: &[Result<String, String>]) -> String {
    let columns = || Target::ALL.into_iter().flat_map(|target| [(target, false), (target, true)]);
    let scheme = |tls| if tls { "https" } else { "http" };
    let mut lines = vec![vec![String::new()]; 2];
    lines[0].extend(columns().map(|(target, _)| target.name()));
    lines[1].extend(columns().map(|(_, tls)| scheme(tls).to_owned()));
    for row in rows {
        for lasting in [false, true] {
            let mut line = vec![format!("{}{}", row.name, if lasting { ", always" } else { "" })];
            for column in columns() {
                let of_column = |cell: &Cell<'_>| {
                    std::ptr::eq(cell.row, row) && cell.lasting == lasting && (cell.target, cell.tls) == column
                };
                let here = cells.iter().zip(ran).filter(|(cell, _)| of_column(cell));
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
