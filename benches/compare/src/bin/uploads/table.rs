//! Tables in Markdown.

/// Prints a table with a title. The last column is left-aligned text, the others are right-aligned figures.
pub(crate) fn print(title: &str, header: &[&str], rows: &[Vec<String>]) {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([header[column].chars().count()]).max().unwrap_or_default()
    };
    let widths: Vec<_> = (0..header.len()).map(width).collect();
    let last = header.len() - 1;
    let line = |cells: Vec<&str>| {
        let cells = cells.iter().zip(&widths).enumerate();
        let padded = cells.map(|(column, (cell, width))| match column == last {
            true => format!("{cell:<width$}"),
            false => format!("{cell:>width$}"),
        });
        println!("| {} |", padded.collect::<Vec<_>>().join(" | "));
    };
    println!("\n### {title}\n");
    line(header.to_vec());
    let separator = widths.iter().enumerate().map(|(column, width)| match column == last {
        true => format!("{:-<1$}", ":", width + 2),
        false => format!("{:->1$}", ":", width + 2),
    });
    println!("|{}|", separator.collect::<Vec<_>>().join("|"));
    rows.iter().for_each(|row| line(row.iter().map(String::as_str).collect()));
}
