//! The figures: as text and as Markdown for people, as JSON for programs.

use serde_json::{Map, Value, json};

/// A table: rows of figures under a title.
pub struct Table {
    title: String,
    /// What a figure is, column by column.
    columns: Vec<String>,
    rows: Vec<(String, Vec<f64>)>,
    /// What has to be known in order to read it.
    note: String,
}

impl Table {
    pub fn new(title: impl Into<String>, columns: &[&str], note: impl Into<String>) -> Self {
        let columns = columns.iter().map(|column| (*column).to_owned()).collect();
        Self { title: title.into(), columns, rows: Vec::new(), note: note.into() }
    }

    /// Adds a row. A figure that does not exist is not a number.
    pub fn row(&mut self, name: impl Into<String>, figures: Vec<f64>) {
        let name = name.into();
        assert_eq!(figures.len(), self.columns.len(), "{name}");
        self.rows.push((name, figures));
    }

    /// As a table in Markdown.
    pub fn to_markdown(&self) -> String {
        let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
        let head = [String::new()].into_iter().chain(self.columns.iter().cloned());
        let mut text = line(head.collect());
        text.push_str(&line(vec!["---".to_owned(); self.columns.len() + 1]));
        for (name, figures) in &self.rows {
            // Rows are named in columns of their own width; Markdown has its own.
            let name = name.split_whitespace().collect::<Vec<_>>().join(" ");
            let cells = [name].into_iter().chain(figures.iter().copied().map(readable));
            text.push_str(&line(cells.collect()));
        }
        text
    }

    fn print(&self) {
        println!("\n## {}\n", self.title);
        let first = self.rows.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        let width = |column: &String| column.len().max(9);
        print!("{:first$}", "");
        for column in &self.columns {
            print!("  {column:>0$}", width(column));
        }
        println!();
        for (name, figures) in &self.rows {
            print!("{name:first$}");
            for (column, &figure) in self.columns.iter().zip(figures) {
                print!("  {:>1$}", readable(figure), width(column));
            }
            println!();
        }
        println!("\n{}", self.note);
    }

    fn to_json(&self) -> Value {
        let row = |(name, figures): &(String, Vec<f64>)| {
            let mut row = Map::new();
            row.insert("name".to_owned(), json!(name));
            row.extend(self.columns.iter().cloned().zip(figures.iter().map(|&f| json!(f))));
            Value::Object(row)
        };
        let rows = self.rows.iter().map(row).collect::<Vec<_>>();
        json!({ "title": self.title, "columns": self.columns, "rows": rows, "note": self.note })
    }
}

/// A figure with three or four digits that mean something.
pub fn readable(figure: f64) -> String {
    match figure.abs() {
        _ if figure.is_nan() => "-".to_owned(),
        0.0 => "0".to_owned(),
        1e4.. => {
            let digits = format!("{:.0}", figure);
            let groups = digits.as_bytes().rchunks(3).rev();
            groups.map(|group| String::from_utf8_lossy(group)).collect::<Vec<_>>().join(",")
        }
        100.0.. => format!("{figure:.0}"),
        10.0.. => format!("{figure:.1}"),
        0.01.. => format!("{figure:.2}"),
        _ => format!("{figure:.4}"),
    }
}

/// Everything that a run says.
pub struct Report {
    conditions: Vec<(&'static str, String)>,
    tables: Vec<(&'static str, Table)>,
}

impl Report {
    pub fn new(conditions: Vec<(&'static str, String)>) -> Self {
        Self { conditions, tables: Vec::new() }
    }

    pub fn print_conditions(&self) {
        for (name, value) in &self.conditions {
            println!("{name:15} {value}");
        }
    }

    /// Adds a table, and prints it.
    pub fn add(&mut self, measure: &'static str, table: Table) {
        table.print();
        self.tables.push((measure, table));
    }

    pub fn to_json(&self) -> String {
        let conditions =
            self.conditions.iter().map(|(name, value)| ((*name).to_owned(), json!(value)));
        let tables = self.tables.iter().map(|(measure, table)| {
            let mut table = table.to_json();
            table["measure"] = json!(measure);
            table
        });
        let report = json!({
            "conditions": conditions.collect::<Map<_, _>>(),
            "tables": tables.collect::<Vec<_>>(),
        });
        format!("{report:#}\n")
    }
}
