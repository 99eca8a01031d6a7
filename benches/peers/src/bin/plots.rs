//! Draws what the benches wrote as JSON: `peers.json` of this package, or what `cargo bench --bench
//! latency -- --json` writes.
//!
//! ```text
//! cargo run --release --features plots --bin plots -- FIGURES.json ... [--directory PATH]
//! ```
//!
//! Of each file and message: the percentiles of single calls, the cost of a call in a tight loop
//! beside the floor program, and messages per second end to end.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use kymo_bench::table::readable;
use kymo_peers::Result;
use lexopt::prelude::*;
use plotters::prelude::*;
use serde_json::Value;

const WIDTH: u32 = 960;

/// A row of a table: what it is about, which subject, and its figures.
struct Row<'a> {
    group: &'a str,
    subject: &'a str,
    figures: &'a Value,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("plots: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let (mut files, mut directory) = (Vec::new(), PathBuf::from("."));
    let mut parser = lexopt::Parser::from_env();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("directory") => directory = parser.value()?.into(),
            Value(file) => files.push(PathBuf::from(file)),
            other => return Err(other.unexpected().into()),
        }
    }
    std::fs::create_dir_all(&directory)?;
    for file in &files {
        let text = std::fs::read_to_string(file)
            .map_err(|error| format!("{}: {error}", file.display()))?;
        let report =
            serde_json::from_str(&text).map_err(|error| format!("{}: {error}", file.display()))?;
        let stem = file.file_stem().unwrap_or_default().to_string_lossy();
        draw(&report, &directory.join(&*stem))?;
    }
    Ok(())
}

/// All plots of one file; `stem` is how their names begin.
fn draw(report: &Value, stem: &Path) -> Result<()> {
    let conditions = &report["conditions"];
    let of = |name: &str| conditions[name].as_str().unwrap_or("unknown").to_owned();
    let where_measured =
        format!("{}, virtual: {}, {}", of("processor"), of("virtual"), of("rustc"));
    for table in report["tables"].as_array().into_iter().flatten() {
        let rows = rows(table);
        let mut groups: Vec<&str> = Vec::new();
        for row in &rows {
            if !groups.contains(&row.group) {
                groups.push(row.group);
            }
        }
        for group in groups {
            let rows = rows.iter().filter(|row| row.group == group).collect::<Vec<_>>();
            let measure = table["measure"].as_str().unwrap_or_default();
            let plot = |title: &str| Plot {
                path: format!("{}-{measure}-{}.svg", stem.display(), group.replace(' ', "-"))
                    .into(),
                title: format!("{title}: {group}"),
                note: where_measured.clone(),
            };
            match measure {
                "latency" => plot("A single call, ns").percentiles(&rows)?,
                "hot" => plot("A call in a tight loop, ns (multiple of the floor program)")
                    .bars(&rows, "ns/call", true)?,
                "end-to-end" => {
                    plot("Messages/s until all is in the file").bars(&rows, "messages/s", false)?
                }
                _ => {}
            }
        }
    }
    Ok(())
}

/// The rows of a table. They are named `message  subject` or `2 producers, subject`.
fn rows(table: &Value) -> Vec<Row<'_>> {
    let rows = table["rows"].as_array().into_iter().flatten();
    rows.filter_map(|figures| {
        let name = figures["name"].as_str()?;
        let (group, subject) = match name.split_once(" producers, ") {
            Some((producers, subject)) => (&name[..producers.len() + " producers".len()], subject),
            None => name.split_once(' ')?,
        };
        Some(Row { group, subject: subject.trim(), figures })
    })
    .collect()
}

struct Plot {
    path: PathBuf,
    title: String,
    note: String,
}

impl Plot {
    /// A line for each subject, over the percentiles.
    fn percentiles(&self, rows: &[&Row<'_>]) -> Result<()> {
        const COLUMNS: [&str; 5] = ["p50", "p90", "p99", "p99.9", "p99.99"];
        let lines = rows.iter().map(|row| {
            let points = COLUMNS.iter().enumerate();
            let points = points.filter_map(|(x, name)| Some((x as f64, positive(row, name)?)));
            (row.subject, points.collect::<Vec<_>>())
        });
        let lines = lines.collect::<Vec<_>>();
        let Some((least, most)) = bounds(lines.iter().flat_map(|(_, points)| points).map(|p| p.1))
        else {
            return Ok(());
        };
        let root = SVGBackend::new(&self.path, (WIDTH, 640)).into_drawing_area();
        root.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&root)
            .caption(&self.title, ("sans-serif", 20))
            .margin(16)
            .x_label_area_size(48)
            .y_label_area_size(72)
            .build_cartesian_2d(0.0..6.0, (least / 1.5..most * 1.5).log_scale())?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .x_labels(7)
            .x_label_formatter(&|&x: &f64| {
                COLUMNS.get(x.round() as usize).map_or(String::new(), |name| (*name).to_owned())
            })
            .y_label_formatter(&|&ns: &f64| readable(ns))
            .x_desc(&self.note)
            .draw()?;
        for (index, (subject, points)) in lines.iter().enumerate() {
            let colour = colour(subject, index);
            let style = colour.stroke_width(if is_kymo(subject) { 3 } else { 1 });
            let line = LineSeries::new(points.iter().copied(), style).point_size(3);
            chart.draw_series(line)?.label(*subject).legend(move |(x, y)| {
                PathElement::new(vec![(x, y), (x + 16, y)], colour.stroke_width(3))
            });
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperRight)
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK.mix(0.3))
            .draw()?;
        root.present()?;
        Ok(())
    }

    /// A bar for each subject, with its figure; beside it, if asked for, how often it contains the
    /// floor's.
    fn bars(&self, rows: &[&Row<'_>], column: &str, over_floor: bool) -> Result<()> {
        let bars = rows.iter().filter_map(|row| Some((row.subject, positive(row, column)?)));
        let bars = bars.collect::<Vec<_>>();
        let floor = bars.iter().find(|(subject, _)| *subject == "floor").map(|(_, figure)| *figure);
        let Some((least, most)) = bounds(bars.iter().map(|(_, figure)| *figure)) else {
            return Ok(());
        };
        let height = 120 + 28 * bars.len() as u32;
        let root = SVGBackend::new(&self.path, (WIDTH, height)).into_drawing_area();
        root.fill(&WHITE)?;
        // Room for the figures beside the bars.
        let (from, to) = (least / 2.0, most * 6.0);
        let lines = -0.5..bars.len() as f64 - 0.5;
        let mut chart = ChartBuilder::on(&root)
            .caption(&self.title, ("sans-serif", 20))
            .margin(16)
            .x_label_area_size(48)
            .y_label_area_size(160)
            .build_cartesian_2d((from..to).log_scale(), lines.end..lines.start)?;
        chart
            .configure_mesh()
            .disable_y_mesh()
            .y_labels(bars.len() * 2)
            .y_label_formatter(&|&y: &f64| {
                let bar = (y.fract() == 0.0 && y >= 0.0).then(|| bars.get(y as usize)).flatten();
                bar.map_or(String::new(), |(subject, _)| (*subject).to_owned())
            })
            .x_label_formatter(&|&figure: &f64| readable(figure))
            .x_desc(format!("{} (logarithmic scale)", self.note))
            .draw()?;
        chart.draw_series(bars.iter().enumerate().map(|(y, (subject, figure))| {
            let y = y as f64;
            let style = colour(subject, y as usize).filled();
            Rectangle::new([(from, y - 0.35), (*figure, y + 0.35)], style)
        }))?;
        chart.draw_series(bars.iter().enumerate().map(|(y, (_, figure))| {
            let times = floor.filter(|_| over_floor);
            let times = times.map_or(String::new(), |floor| format!(" ({:.2} x)", figure / floor));
            let text = format!("{}{times}", readable(*figure));
            Text::new(text, (*figure * 1.05, y as f64 - 0.2), ("sans-serif", 14))
        }))?;
        root.present()?;
        Ok(())
    }
}

/// A figure that a logarithmic scale has a place for.
fn positive(row: &Row<'_>, column: &str) -> Option<f64> {
    row.figures[column].as_f64().filter(|&figure| figure > 0.0)
}

fn bounds(figures: impl Iterator<Item = f64> + Clone) -> Option<(f64, f64)> {
    let least = figures.clone().fold(f64::INFINITY, f64::min);
    let most = figures.fold(0.0, f64::max);
    (most > 0.0).then_some((least, most))
}

fn is_kymo(subject: &str) -> bool {
    subject.starts_with("kymo")
}

fn colour(subject: &str, index: usize) -> RGBColor {
    match subject {
        "kymo" => RGBColor(200, 30, 30),
        "kymo, coarse clock" => RGBColor(230, 140, 30),
        "floor" => RGBColor(90, 90, 90),
        "empty pair" => RGBColor(180, 180, 180),
        _ => {
            // Steps of the golden ratio around the circle of hues: neighbours differ.
            let hue = (index as f64 * 0.618_034).fract();
            let (red, green, blue) = HSLColor(hue, 0.65, 0.4).to_rgba().rgb();
            RGBColor(red, green, blue)
        }
    }
}
