//! Tables that scroll sideways by themselves where the screen is narrow.

use std::fmt::Write;

use crate::page::escape;

/// A table that is being filled.
#[derive(Debug)]
pub struct Table {
    numbers: Vec<bool>,
    html: String,
}

impl Table {
    /// A table with these columns; those that start with `#` hold figures (set to the
    /// right, the `#` is not shown).
    pub fn new(columns: &[&str]) -> Table {
        let mut table = Table {
            numbers: columns.iter().map(|c| c.starts_with('#')).collect(),
            html: String::from("<div class=\"scroll\"><table>\n"),
        };
        let names: Vec<String> = columns
            .iter()
            .map(|c| c.strip_prefix('#').unwrap_or(c).to_owned())
            .collect();
        table.cells("th", &names);
        table
    }

    /// Adds a row; plain text.
    pub fn row(&mut self, cells: &[String]) {
        self.cells("td", cells);
    }

    fn cells(&mut self, tag: &str, cells: &[String]) {
        self.html += "<tr>";
        for (i, cell) in cells.iter().enumerate() {
            let class = match self.numbers.get(i) {
                Some(true) => " class=\"n\"",
                _ => "",
            };
            let _ = write!(self.html, "<{tag}{class}>{}</{tag}>", escape(cell));
        }
        self.html += "</tr>\n";
    }

    /// The table as HTML.
    pub fn finish(self) -> String {
        self.html + "</table></div>"
    }
}
