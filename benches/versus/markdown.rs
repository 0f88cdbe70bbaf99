//! Tables of Markdown that can be read before they are rendered, too.

/// Prints lines of cells, the heads of the columns first. The first column is aligned to the left.
pub fn print_table(lines: &[Vec<String>]) {
    let columns = lines[0].len();
    let width = |column: usize| {
        lines.iter().map(|line| line[column].chars().count()).max().unwrap_or_default().max(3)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for (number, line) in lines.iter().enumerate() {
        let mut text = String::from("|");
        for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
            match column {
                0 => text.push_str(&format!(" {cell:<width$} |")),
                _ => text.push_str(&format!(" {cell:>width$} |")),
            }
        }
        println!("{text}");
        if number == 0 {
            let rule = |(column, width): (usize, &usize)| match column {
                0 => format!("{}|", "-".repeat(width + 2)),
                _ => format!("{}:|", "-".repeat(width + 1)),
            };
            println!("|{}", widths.iter().enumerate().map(rule).collect::<String>());
        }
    }
}
