//! Does one job with `wsi-rs` in a process of its own: `peer SPEC.json`, as `worker.py` does with
//! the other peers.

mod slide;

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::json;

use crate::slide::{Rect, Slide, each};

/// A job, as `jobs.py` writes it.
#[derive(Deserialize)]
struct Spec {
    kind: String,
    #[serde(default)]
    files: Vec<String>,
    #[serde(default)]
    slide: String,
    #[serde(default)]
    locations: Vec<(u32, u32)>,
    #[serde(default)]
    size: u32,
    #[serde(default)]
    level: usize,
    #[serde(default = "one")]
    threads: usize,
    #[serde(default = "one")]
    count: usize,
    out: Option<String>,
    dump: Option<String>,
    #[serde(default)]
    about: bool,
}

fn one() -> usize {
    1
}

fn main() -> Result<()> {
    let path = std::env::args().nth(1).context("peer SPEC.json")?;
    let spec: Spec = serde_json::from_reader(File::open(path)?)?;
    let seconds = match spec.kind.as_str() {
        "lowest" => lowest(&spec)?,
        "tiling" => bail!("not written, since its LZW decoder refuses the masks"),
        "patches" => patches(&spec)?,
        "opening" => opening(&spec)?,
        other => bail!("no job {other}"),
    };
    let mut answer = json!({"seconds": seconds});
    if spec.about {
        answer["about"] = json!({"versions": {"wsi-rs": "0.6.0"}, "exact": true});
    }
    println!("{answer}");
    Ok(())
}

/// Job A.
fn lowest(spec: &Spec) -> Result<f64> {
    let start = Instant::now();
    for file in &spec.files {
        let slide = Slide::open(file)?;
        let level = slide.levels.len() - 1;
        let (width, height) = (slide.levels[level].width, slide.levels[level].height);
        let pixels = slide.region(
            level,
            Rect {
                x: 0,
                y: 0,
                width,
                height,
            },
        )?;
        let name = Path::new(file)
            .file_stem()
            .context("a file without a name")?;
        let path = Path::new(spec.out.as_deref().context("no folder")?).join(name);
        save_png(&path.with_extension("png"), &pixels, (width, height))?;
    }
    Ok(start.elapsed().as_secs_f64())
}

/// Jobs C and D, into memory that is there before.
fn patches(spec: &Spec) -> Result<f64> {
    let side = spec.size as usize;
    let mut out = vec![1_u8; spec.locations.len() * side * side * 3];
    let start = Instant::now();
    let slide = Slide::open(&spec.slide)?;
    let targets = spec
        .locations
        .iter()
        .zip(out.chunks_exact_mut(side * side * 3));
    each(spec.threads, targets.collect(), |(&(x, y), target)| {
        let rect = Rect {
            x,
            y,
            width: spec.size,
            height: spec.size,
        };
        target.copy_from_slice(&slide.region(spec.level, rect)?);
        Ok(())
    })?;
    let seconds = start.elapsed().as_secs_f64();
    if let Some(path) = &spec.dump {
        write_npy(Path::new(path), &out, spec.locations.len(), side)?;
    }
    Ok(seconds)
}

/// Job E: the middle of so many openings.
fn opening(spec: &Spec) -> Result<f64> {
    let mut seconds = Vec::new();
    for _ in 0..spec.count {
        let start = Instant::now();
        let slide = Slide::open(&spec.slide)?;
        std::hint::black_box(&slide.levels);
        seconds.push(start.elapsed().as_secs_f64());
    }
    seconds.sort_by(f64::total_cmp);
    Ok(seconds[seconds.len() / 2])
}

/// Saves with the fast setting of the `png` crate, as our programs do.
fn save_png(path: &Path, pixels: &[u8], size: (u32, u32)) -> Result<()> {
    let mut encoder = png::Encoder::new(BufWriter::new(File::create(path)?), size.0, size.1);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_compression(png::Compression::Fast);
    let mut writer = encoder.write_header()?;
    writer.write_image_data(pixels)?;
    writer.finish()?;
    Ok(())
}

/// Writes (patches, side, side, 3) bytes as numpy does.
fn write_npy(path: &Path, bytes: &[u8], patches: usize, side: usize) -> Result<()> {
    let shape = format!("({patches}, {side}, {side}, 3)");
    let text = format!("{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}");
    let length = (text.len() + 11).next_multiple_of(64) - 10;
    let mut file = b"\x93NUMPY\x01\x00".to_vec();
    file.extend(u16::try_from(length)?.to_le_bytes());
    file.extend(format!("{text:<width$}\n", width = length - 1).bytes());
    file.extend(bytes);
    std::fs::write(path, file)?;
    Ok(())
}
