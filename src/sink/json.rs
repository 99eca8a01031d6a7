//! JSON, one object a line, to anything that is written to.

use std::io::Write;

use kymo_lines::Lines;
use kymo_reader::Event;

use crate::sink::{Mark, Outcome, Record, Sink};

/// Writes records as JSON, an object a line, as `kymo cat --format json` prints them. Needs the feature `console`.
///
/// [`Console`](crate::Console) with its JSON does that for standard output and standard error, in the order of time.
/// This one writes to anything, such as a pipe or a connection; there may be several.
///
/// ```
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("app.kymo");
/// use std::fs::File;
/// use kymo::sink::Json;
/// use kymo::{Level, Logger};
///
/// let file = File::create(dir.path().join("errors.json"))?;
/// let logger = Logger::builder(&path)
///     .sink(Level::Error, Json::new(file))
///     .sink(Level::Info, Json::new(std::io::stdout()))
///     .start()?;
/// kymo::error!("disk {disk} is full", disk = 3);
/// logger.shutdown();
/// let text = std::fs::read_to_string(dir.path().join("errors.json"))?;
/// let line: serde_json::Value = serde_json::from_str(text.lines().next().unwrap())?;
/// assert_eq!((&line["message"], &line["fields"]["disk"]), (&"disk 3 is full".into(), &3.into()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Json<W> {
    to: W,
    lines: Lines,
    /// What was taken since the last flush.
    text: String,
}

impl<W: Write + Send> Json<W> {
    /// Makes a sink that writes to `to`, some kilobytes at a time. It needs no buffer.
    pub fn new(to: W) -> Self {
        Self { to, lines: Lines::json(1), text: String::new() }
    }
}

impl<W: Write + Send> Sink for Json<W> {
    fn record(&mut self, record: &Record<'_>) -> Outcome {
        self.lines.write(0, "", &Event::Record(**record), &mut self.text);
        Ok(())
    }

    fn mark(&mut self, mark: &Mark<'_>) -> Outcome {
        match mark {
            Mark::Segment => self.lines = Lines::json(1),
            Mark::Skipped(records) => {
                self.text.push_str(&format!("{{\"event\":\"skipped\",\"records\":{records}}}\n"));
            }
            Mark::Event(event) => self.lines.write(0, "", event, &mut self.text),
        }
        Ok(())
    }

    fn flush(&mut self) -> Outcome {
        // What cannot be written is lost, and not written in part once more.
        let text = std::mem::take(&mut self.text);
        self.to.write_all(text.as_bytes())?;
        Ok(self.to.flush()?)
    }
}

impl<W> std::fmt::Debug for Json<W> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Json").finish_non_exhaustive()
    }
}
