//! `kymo fields`: lists the names that filters and patterns can use.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use kymo_query::{Catalog, Described};
use kymo_reader::{Options, write_escaped};
use serde::Serialize;

use crate::input::Inputs;
use crate::machine::write_json;
use crate::outcome::{self, Outcome};
use crate::output::{Closed, Output};

/// Lists the arguments of the statements in log files, with their types.
///
/// These are the names for --where and patterns. An argument without a name is listed by its position.
/// Then the targets, the threads and the source files follow.
#[derive(Args)]
#[command(after_help = outcome::HELP)]
pub struct Fields {
    /// The log files, rotated logs (their link, or its name), or directories of files named *.kymo; `-` is
    /// standard input
    #[arg(required = true, value_name = "FILE|DIR")]
    files: Vec<PathBuf>,

    /// Print a JSON object
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct FieldList<'c> {
    fields: Vec<ListedField<'c>>,
    targets: Vec<&'c str>,
    threads: Vec<&'c str>,
    files: Vec<&'c str>,
}

#[derive(Serialize)]
struct ListedField<'c> {
    name: &'c str,
    types: Vec<&'c str>,
    /// The statements that have it.
    statements: Vec<Statement<'c>>,
}

#[derive(Serialize)]
struct Statement<'c> {
    at: &'c str,
    format: &'c str,
}

impl Fields {
    /// Runs the command.
    pub fn run(self) -> ExitCode {
        let mut outcome = Outcome::Nothing;
        // By the index, where a file has one: nothing is logged at the end of time.
        let options = || Options::new().filter(|_| false).since(i64::MAX);
        let mut inputs = Inputs::open(&self.files, options, &mut outcome);
        loop {
            match inputs.files.next_event() {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(error) => inputs.complain_about(&error, &mut outcome),
            }
        }
        let catalog = Catalog::met(inputs.files.readers());
        if !catalog.places.is_empty() {
            outcome.add(Outcome::Found);
        }
        let mut output = Output::new();
        let summary = FieldList::new(&catalog);
        if self.json {
            write_json(&summary, output.buffer());
            output.buffer().push('\n');
        } else {
            summary.write(output.buffer());
        }
        inputs.complain(&mut outcome);
        if let Err(Closed(closed)) = output.finish() {
            outcome.add(closed);
        }
        outcome.into()
    }
}

impl<'c> FieldList<'c> {
    fn new(catalog: &'c Catalog) -> Self {
        let field = |(name, described): (&'c String, &'c Described)| ListedField {
            name,
            types: described.types.iter().map(|ty| &**ty).collect(),
            statements: described
                .statements
                .iter()
                .map(|(at, format)| Statement { at, format })
                .collect(),
        };
        let mut files: Vec<&str> = catalog.places.iter().map(|it| &*it.file).collect();
        files.dedup();
        Self {
            fields: catalog.arguments.iter().map(field).collect(),
            targets: catalog.targets.iter().map(|target| &**target).collect(),
            threads: catalog.threads.iter().map(|name| &**name).collect(),
            files,
        }
    }

    fn write(&self, out: &mut String) {
        let width = |texts: &mut dyn Iterator<Item = usize>| texts.max().unwrap_or(0).min(40);
        let types: Vec<String> = self.fields.iter().map(|field| field.types.join(" | ")).collect();
        let name_width = width(&mut self.fields.iter().map(|field| field.name.chars().count()));
        let type_width = width(&mut types.iter().map(|types| types.chars().count()));
        for (field, types) in self.fields.iter().zip(types) {
            let mut line = format!("{:name_width$}  {types:type_width$}", field.name);
            if let Some(Statement { at, format }) = field.statements.first() {
                line += &format!("  {at} {format:?}");
            }
            match field.statements.len() {
                0 | 1 => {}
                statements => line += &format!(", and {} more", statements - 1),
            }
            write_escaped(&line, out);
            out.push('\n');
        }
        for (what, names) in
            [("targets", &self.targets), ("threads", &self.threads), ("files", &self.files)]
        {
            let mut line = format!("{what}:");
            for name in names {
                line += " ";
                line += name;
            }
            write_escaped(&line, out);
            out.push('\n');
        }
    }
}
