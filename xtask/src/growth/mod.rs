//! `cargo xtask growth`: what the published job takes of time and memory when a slide grows, and when
//! its tissue does.
//!
//! Slides are made of stored tiles of the large fixture, laid out again ([`mosaic`]): a grid of
//! cells, each a copy of the fixture or blank. The first with one copy is the fixture itself but for
//! its margins; more cells are more area, more copies more tissue.

mod mosaic;
mod plot;

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, ensure};
use serde_json::Value;

use crate::workspace;

/// Cells along a side, and which of them hold a copy.
const SLIDES: [(u32, &[(u32, u32)]); 6] = [
    (1, &[(0, 0)]),
    (2, &[(0, 0)]),
    (4, &[(0, 0)]),
    (4, &[(0, 0), (3, 3)]),
    (4, &[(0, 0), (3, 0), (0, 3), (3, 3)]),
    (
        4,
        &[
            (0, 0),
            (1, 0),
            (2, 0),
            (3, 0),
            (0, 3),
            (1, 3),
            (2, 3),
            (3, 3),
        ],
    ),
];

/// One line of the table.
struct Row {
    area: u32,
    copies: usize,
    grid: u64,
    kept: u64,
    milliseconds: f64,
    megabytes: f64,
}

/// Makes the slides, runs the job `repeat` times on each, and writes a table and a plot.
pub(crate) fn run(repeat: usize) -> anyhow::Result<()> {
    let out = workspace::root().join("target/growth");
    std::fs::create_dir_all(&out)?;
    let fixtures = workspace::root().join("target/fixtures");
    let fixture = |name: &str| -> anyhow::Result<PathBuf> {
        let path = fixtures.join(name);
        ensure!(
            path.is_file(),
            "`cargo xtask fixtures` makes {}",
            path.display()
        );
        Ok(path)
    };
    let sources = [fixture("slide_a.tiff")?, fixture("slide_a_mask.tiff")?];
    let program = build()?;
    let mut rows = Vec::new();
    for (side, copies) in SLIDES {
        let name = format!("{side}x{side}_{}", copies.len());
        let files = [format!("{name}.tiff"), format!("{name}_mask.tiff")];
        let files = files.map(|file| out.join(file));
        for (source, file) in sources.iter().zip(&files) {
            mosaic::write(source, side, copies, file)?;
        }
        let mut runs = Vec::new();
        for _ in 0..repeat.max(1) {
            runs.push(measure(&program, &files, &out)?);
        }
        runs.sort_by(|a, b| a.milliseconds.total_cmp(&b.milliseconds));
        let mut middle = runs.swap_remove(runs.len() / 2);
        middle.area = side * side;
        middle.copies = copies.len();
        println!("{}", line(&middle));
        rows.push(middle);
    }
    let mut table = String::from(
        "| area | copies | tiles of the grid | kept | ms | MB at most |\n|---|---|---|---|---|---|\n",
    );
    for row in &rows {
        table.push_str(&line(row));
        table.push('\n');
    }
    std::fs::write(out.join("table.md"), table)?;
    let points: Vec<(f64, f64)> = rows
        .iter()
        .map(|row| (row.kept as f64, row.milliseconds))
        .collect();
    std::fs::write(out.join("growth.svg"), plot::svg(&points))?;
    println!("table and plot in {}", out.display());
    let least = |pick: fn(&Row) -> f64| rows.iter().map(pick).fold(f64::INFINITY, f64::min);
    let most = |pick: fn(&Row) -> f64| rows.iter().map(pick).fold(0.0, f64::max);
    let memory = (least(|row| row.megabytes), most(|row| row.megabytes));
    println!("memory from {:.0} to {:.0} MB", memory.0, memory.1);
    Ok(())
}

fn line(row: &Row) -> String {
    format!(
        "| {} | {} | {} | {} | {:.1} | {:.0} |",
        row.area, row.copies, row.grid, row.kept, row.milliseconds, row.megabytes
    )
}

/// The example that runs the job.
fn build() -> anyhow::Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--release", "--example", "tile_slide"])
        .current_dir(workspace::root())
        .status()
        .context("cannot start cargo")?;
    ensure!(status.success(), "cargo build ended with {status}");
    Ok(workspace::root().join("target/release/examples/tile_slide"))
}

/// Runs the job once, saving PNGs, as a process of its own.
fn measure(program: &Path, files: &[PathBuf; 2], out: &Path) -> anyhow::Result<Row> {
    let tiles = out.join("tiles");
    if tiles.exists() {
        std::fs::remove_dir_all(&tiles)?;
    }
    let mut child = Command::new(program)
        .arg(&files[0])
        .arg("--mask")
        .arg(&files[1])
        .args(["--level", "1", "--json", "--out"])
        .arg(&tiles)
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start tile_slide")?;
    // The system keeps the peak, and forgets it with the process.
    let status = PathBuf::from(format!("/proc/{}/status", child.id()));
    let mut peak = 0;
    while child.try_wait()?.is_none() {
        peak = peak.max(peak_kilobytes(&status).unwrap_or(0));
        std::thread::sleep(Duration::from_millis(1));
    }
    let output = child.wait_with_output()?;
    ensure!(
        output.status.success(),
        "tile_slide ended with {}",
        output.status
    );
    let report: Value = serde_json::from_slice(&output.stdout).context("tile_slide's report")?;
    let number = |name: &str| report[name].as_u64().context("a number in the report");
    let seconds = report["seconds"]["total"].as_f64();
    Ok(Row {
        area: 0,
        copies: 0,
        grid: number("tiles_total")?,
        kept: number("tiles_kept")?,
        milliseconds: seconds.context("the time in the report")? * 1e3,
        megabytes: f64::from(peak) / 1e3,
    })
}

/// The most memory that a process has had so far.
fn peak_kilobytes(status: &Path) -> Option<u32> {
    let status = std::fs::read_to_string(status).ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    line.split_whitespace().nth(1)?.parse().ok()
}
