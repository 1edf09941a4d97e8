//! Tables of tab-separated values with a header line, as the corpora keep them.
//!
//! Fed by `corpus` and `targets` with file text; hands back rows whose fields are
//! found by column name, so a new column never shifts an old one. A row with fewer
//! or more fields than the header is an error: guessing would measure the wrong file.

use anyhow::{Context, Result, bail, ensure};

/// A parsed table.
pub struct Table {
    columns: Vec<String>,
    rows: Vec<Vec<String>>,
}

/// One row of a table, with its line number for messages.
#[derive(Clone, Copy)]
pub struct Row<'a> {
    columns: &'a [String],
    fields: &'a [String],
    line: usize,
}

impl Table {
    /// Parses `text`; the first line names the columns, empty lines are passed over.
    pub fn parse(text: &str) -> Result<Table> {
        let mut lines = text.lines();
        let header = lines.next().context("empty table: no header line")?;
        let columns: Vec<String> = header.split('\t').map(str::to_owned).collect();
        let mut rows = Vec::new();
        for (i, line) in lines.enumerate() {
            if line.is_empty() {
                rows.push(Vec::new());
                continue;
            }
            let fields: Vec<String> = line.split('\t').map(str::to_owned).collect();
            ensure!(
                fields.len() == columns.len(),
                "line {}: {} fields under {} columns",
                i + 2,
                fields.len(),
                columns.len()
            );
            rows.push(fields);
        }
        Ok(Table { columns, rows })
    }

    /// The rows in file order.
    pub fn rows(&self) -> impl Iterator<Item = Row<'_>> {
        let filled = |r: &(usize, &Vec<String>)| !r.1.is_empty();
        self.rows
            .iter()
            .enumerate()
            .filter(filled)
            .map(|(i, f)| Row {
                columns: &self.columns,
                fields: f,
                line: i + 2,
            })
    }
}

impl<'a> Row<'a> {
    /// The field under `column`.
    pub fn text(&self, column: &str) -> Result<&'a str> {
        match self.columns.iter().position(|c| c == column) {
            Some(i) => Ok(&self.fields[i]),
            None => bail!("no column {column:?}"),
        }
    }

    /// The field under `column` as a whole number.
    pub fn number(&self, column: &str) -> Result<u64> {
        let text = self.text(column)?;
        text.parse()
            .with_context(|| format!("line {}: {column} is {text:?}, not a number", self.line))
    }

    /// Like [`Row::number`], with `-` or nothing for "not measured".
    pub fn measured(&self, column: &str) -> Result<Option<u64>> {
        match self.text(column)? {
            "" | "-" => Ok(None),
            _ => self.number(column).map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "id\tbytes\tnote\na\t12\tx\n\nb\t-\t\n";

    #[test]
    fn fields_are_found_by_name() {
        let table = Table::parse(TABLE).unwrap();
        let rows: Vec<Row> = table.rows().collect();
        assert_eq!(rows.len(), 2);
        assert_eq!(rows[0].text("note").unwrap(), "x");
        assert_eq!(rows[0].number("bytes").unwrap(), 12);
        assert_eq!(rows[0].measured("bytes").unwrap(), Some(12));
        assert_eq!(rows[1].measured("bytes").unwrap(), None);
        assert_eq!(rows[1].text("note").unwrap(), "");
    }

    #[test]
    fn mistakes_are_named() {
        let table = Table::parse(TABLE).unwrap();
        let last = table.rows().last().unwrap();
        assert_eq!(
            last.number("bytes").unwrap_err().to_string(),
            "line 4: bytes is \"-\", not a number"
        );
        assert_eq!(
            last.text("size").unwrap_err().to_string(),
            "no column \"size\""
        );
        let short = Table::parse("a\tb\n1\n").err().unwrap();
        assert_eq!(short.to_string(), "line 2: 1 fields under 2 columns");
        assert!(Table::parse("").is_err());
    }
}
