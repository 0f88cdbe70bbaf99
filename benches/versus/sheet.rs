//! Figures as lines of a CSV file, which a long measurement writes as it goes.
//!
//! The first columns of a line, its key, say what was measured, the others are figures. A line is written as soon as
//! it is known, so that a run that was interrupted goes on where it was: what is in the file is not measured again.
//! A line without an end is what an interruption has left of it, and is cut off.

use std::collections::HashSet;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;

use crate::Result;

/// See the module's description.
pub struct Sheet {
    columns: Vec<&'static str>,
    key_columns: usize,
    keys: HashSet<String>,
    lines: Vec<Line>,
    /// None if the figures are only kept for the tables.
    file: Option<File>,
}

/// The cells of one line, as they are written.
pub struct Line(Vec<String>);

impl Sheet {
    /// Goes on with a file of the same columns, or begins it.
    pub fn open(path: Option<&Path>, header: &'static str, key_columns: usize) -> Result<Sheet> {
        let columns = header.split(',').collect();
        let (keys, lines) = Default::default();
        let mut sheet = Sheet { columns, key_columns, keys, lines, file: None };
        let Some(path) = path else { return Ok(sheet) };
        let text = std::fs::read_to_string(path).or_else(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Ok(String::new()),
            _ => Err(format!("{}: {error}", path.display())),
        })?;
        let whole = text.rfind('\n').map_or(0, |end| end + 1);
        let mut file = OpenOptions::new().create(true).append(true).open(path)?;
        file.set_len(whole as u64)?;
        let mut lines = text[..whole].lines();
        match lines.next() {
            None => writeln!(file, "{header}")?,
            Some(first) if first == header => {}
            Some(_) => return Err(format!("{} has other columns", path.display()).into()),
        }
        lines.try_for_each(|line| sheet.take(line))?;
        sheet.file = Some(file);
        Ok(sheet)
    }

    fn take(&mut self, text: &str) -> Result<()> {
        let cells: Vec<String> = text.split(',').map(str::to_owned).collect();
        if cells.len() != self.columns.len() {
            return Err(format!("not a line of {} cells: {text}", self.columns.len()).into());
        }
        self.keys.insert(cells[..self.key_columns].join(","));
        self.lines.push(Line(cells));
        Ok(())
    }

    pub fn has(&self, key: &[String]) -> bool {
        self.keys.contains(&key.join(","))
    }

    /// Adds a line, which is in the file when this returns.
    pub fn append(&mut self, key: &[String], figures: &[f64]) -> Result<()> {
        assert_eq!(key.len(), self.key_columns, "a key has all of its columns");
        let cells = key.iter().cloned().chain(figures.iter().map(|figure| short(*figure)));
        let line = cells.collect::<Vec<_>>().join(",");
        self.take(&line)?;
        if let Some(file) = &mut self.file {
            file.write_all(format!("{line}\n").as_bytes())?;
        }
        Ok(())
    }

    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    pub fn text<'l>(&self, line: &'l Line, column: &str) -> &'l str {
        &line.0[self.position(column)]
    }

    /// Not a number if the cell is empty.
    pub fn figure(&self, line: &Line, column: &str) -> f64 {
        self.text(line, column).parse().unwrap_or(f64::NAN)
    }

    fn position(&self, column: &str) -> usize {
        let position = self.columns.iter().position(|name| *name == column);
        position.expect("a column is named as in the header")
    }
}

/// With as many digits as are worth anything. What was not measured is empty.
fn short(figure: f64) -> String {
    match figure {
        _ if !figure.is_finite() => String::new(),
        _ if figure.abs() >= 1000.0 => format!("{figure:.0}"),
        _ => format!("{figure:.4}"),
    }
}
