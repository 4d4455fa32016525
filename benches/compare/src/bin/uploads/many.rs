//! An upload with the maximum number of parts: the cost of the first and last parts, and the cost of a resume.

use std::process::Command;

use crate::archive::create_sparse_and_read;
use crate::child::{Finished, program, run};
use crate::glacier::Glacier;
use crate::{MIB, Result, Scratch, Settings, table, target_dir};

pub(crate) fn measure(settings: &Settings, scratch: &Scratch) -> Result<()> {
    let parts = if settings.quick { 1_000 } else { 10_000 };
    let file = scratch.path("many-parts");
    create_sparse_and_read(&file, parts * MIB)?;
    let glacier = Glacier::start(scratch, false, "count", &[])?;
    let journal = scratch.path("journal");
    let sampled = |mode: &str| {
        let mut command = watched(&glacier);
        command.arg(mode).arg(&file).args([MIB, 8].map(|n| n.to_string()));
        command
    };

    let whole = run(&mut sampled("run"))?;
    let transferred = run(sampled("transfer").arg(&journal))?;
    let without_journal = run(sampled("transfer").args(["", transferred.value("upload-id")?]))?;
    let with_journal = run(sampled("run").arg(&journal))?;
    for done in [&whole, &with_journal] {
        if glacier.count_of(parts * MIB, done.value("tree-hash")?)? != 2 {
            return Err("an archive is missing".into());
        }
    }

    let mut rows = Vec::new();
    for (name, unit) in [("CPU time", "cpu-us"), ("wall-clock time", "wall-us")] {
        let [first, last] = [format!("first-{unit}"), format!("last-{unit}")];
        let (first, last) = (whole.number(&first)?, whole.number(&last)?);
        rows.push(vec![
            format!("{:.2}", last / first),
            format!("{first:.0}"),
            format!("{last:.0}"),
            format!("per part, {name}"),
        ]);
    }
    let header = ["last × first", "first tenth µs", "last tenth µs", "8 workers, HTTP, storage count"];
    table::print(&format!("{parts} parts of 1 MiB"), &header, &rows);

    let whole_ms = whole.number("returned-ms")?;
    let line = |what: &str, milliseconds: f64, run: &Finished| -> Result<Vec<String>> {
        let mib = |name| run.number(name).map(|bytes| format!("{:.0}", bytes / MIB as f64));
        let share = format!("{:.4}", milliseconds / whole_ms);
        Ok(vec![share, format!("{milliseconds:.1}"), mib("bytes-hashed")?, mib("bytes-sent")?, what.to_owned()])
    };
    let rows = [
        line("whole upload", whole_ms, &whole)?,
        line("of which from the last part to Complete", whole.number("until-complete-ms")?, &whole)?,
        line("of which Complete and its response", whole.number("complete-ms")?, &whole)?,
        line(
            "resume with all parts stored, with journal, and Complete",
            with_journal.number("returned-ms")?,
            &with_journal,
        )?,
        line(
            "resume with all parts stored, without journal or Complete",
            without_journal.number("returned-ms")?,
            &without_journal,
        )?,
    ];
    let title = format!("{parts} parts: end and resume (× the whole upload)");
    table::print(&title, &["wall ×", "ms", "hashed MiB", "sent MiB", "what"], &rows);
    Ok(())
}

/// Returns the command of the program that samples an upload's progress (benches/c/watched.c).
pub(crate) fn watched(glacier: &Glacier) -> Command {
    let mut command = program(target_dir().join("bench-c/watched"));
    command.env("AWS_ENDPOINT_URL_GLACIER", &glacier.endpoint);
    command.envs(glacier.ca_file.as_ref().map(|ca_file| ("CA_FILE", ca_file)));
    command
}
