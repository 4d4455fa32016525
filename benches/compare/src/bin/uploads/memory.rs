//! The peak memory of an upload, with parts that fit the memory limit and with parts far above it.

use crate::archive::create_sparse;
use crate::child::run;
use crate::glacier::Glacier;
use crate::many::watched;
use crate::whole::size;
use crate::{GIB, KIB, MIB, Result, Scratch, Settings, table};

const WORKERS: u64 = 8;

/// The library's default memory limit.
const LIMIT: u64 = 256 * MIB;

/// The target for peak memory.
const TARGET: u64 = LIMIT + 32 * MIB;

pub(crate) fn measure(settings: &Settings, scratch: &Scratch) -> Result<()> {
    let (large, pause) = if settings.quick { (256 * MIB, 4_000) } else { (4 * GIB, 30_000) };
    let mut rows = Vec::new();
    for (part_size, parts, pause) in [(MIB, 1024, 10), (large, WORKERS, pause)] {
        // Each part pauses in the middle, so that all workers have a part in flight at once.
        let fault = format!(
            r#"{{"operation": "UploadMultipartPart", "times": null,
                "action": {{"kind": "pause", "after_bytes": {}, "millis": {pause}}}}}"#,
            512 * KIB
        );
        let glacier = Glacier::start(scratch, true, "count", &["--fault", &fault])?;
        let file = scratch.path("large-parts");
        create_sparse(&file, part_size * parts)?;
        let mut command = watched(&glacier);
        let done = run(command.arg("run").arg(&file).args([part_size, WORKERS].map(|n| n.to_string())))?;
        if glacier.count_of(part_size * parts, done.value("tree-hash")?)? != 1 {
            return Err("the archive is missing".into());
        }
        std::fs::remove_file(&file)?;
        let peak = done.cost.peak as f64;
        rows.push(vec![
            format!("{:.2}", peak / TARGET as f64),
            format!("{:.0}", peak / MIB as f64),
            done.value("most-in-flight")?.to_owned(),
            size(part_size),
            format!("{parts} parts"),
        ]);
    }
    let title = format!("Peak memory: {WORKERS} workers, HTTPS, limit {} (× limit + 32 MiB)", size(LIMIT));
    table::print(&title, &["memory ×", "peak MiB", "parts in flight", "part", "archive"], &rows);
    Ok(())
}
