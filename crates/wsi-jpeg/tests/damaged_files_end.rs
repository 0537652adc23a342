//! Whatever is in a file, decoding it ends within a second and the limits, without a panic, and all
//! kernels end alike: refused files, and good ones cut at every byte.

#![allow(clippy::print_stdout, reason = "counts are the report of these tests")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

use peak_alloc::PeakAlloc;
use wsi_jpeg::{
    ColorModel, Decoder, Error, ErrorKind, Info, Kernels, Limits, Options, Outcome, PixelFormat,
    Scale, StridedRows,
};

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

/// Builds without optimisation, as tests usually are, take their time.
const MAX_SECONDS: f64 = if cfg!(debug_assertions) { 4.0 } else { 1.0 };
const MAX_PIXELS: u64 = 1 << 23;
const MAX_WORKING_BYTES: u64 = 1 << 26;

const SCALES: [Scale; 4] = [Scale::Full, Scale::Half, Scale::Quarter, Scale::Eighth];

fn slides() -> Option<PathBuf> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/slides");
    let folder = std::env::var_os("WSI_TEST_SLIDES").map_or(default, PathBuf::from);
    let found = folder.join("jpeg/bad").is_dir();
    if !found {
        println!("SKIP: no test files in {}", folder.display());
    }
    found.then_some(folder)
}

/// The files of a folder in order, up to a length.
fn files(folder: &Path, longest: u64) -> Vec<PathBuf> {
    let entries = folder.read_dir().expect("a folder of test files");
    let mut paths: Vec<PathBuf> = entries
        .map(|entry| entry.expect("a readable folder").path())
        .filter(|path| path.is_file())
        .filter(|path| path.metadata().is_ok_and(|file| file.len() <= longest))
        .collect();
    paths.sort();
    paths
}

fn decoders() -> Vec<(Kernels, Decoder)> {
    Kernels::available()
        .into_iter()
        .map(|kernels| (kernels, Decoder::with_kernels(kernels)))
        .collect()
}

type Decoded = Result<(Vec<u8>, Outcome), Error>;

fn decode(decoder: &mut Decoder, data: &[u8], scale: Scale) -> Decoded {
    let info = Info::read(data, None)?;
    let format = match (info.color(), info.bits() > 8) {
        (ColorModel::Gray, false) => PixelFormat::Gray8,
        (ColorModel::Gray, true) => PixelFormat::Gray16,
        (ColorModel::Cmyk | ColorModel::Ycck, false) => PixelFormat::Cmyk8,
        (ColorModel::Cmyk | ColorModel::Ycck, true) => PixelFormat::Cmyk16,
        (_, false) => PixelFormat::Rgb8,
        (_, true) => PixelFormat::Rgb16,
    };
    let limits = Limits::default()
        .with_max_pixels(MAX_PIXELS)
        .with_max_memory(MAX_WORKING_BYTES);
    let options = Options::new(format).with_scale(scale).with_limits(limits);
    let (width, height) = info.scaled_size(scale);
    let stride = width as usize * format.bytes_per_pixel();
    let allowed = u64::from(info.width()) * u64::from(info.height()) <= MAX_PIXELS;
    let mut pixels = vec![0; if allowed { stride * height as usize } else { 0 }];
    let outcome = decoder.decode(data, &options, &mut StridedRows::new(&mut pixels, stride))?;
    Ok((pixels, outcome))
}

/// Decodes with all kernels, compares with the first, which are scalar, and says how it ended.
fn decode_by_all(
    decoders: &mut [(Kernels, Decoder)],
    data: &[u8],
    scale: Scale,
    what: &str,
) -> &'static str {
    let mut first: Option<Decoded> = None;
    for (kernels, decoder) in decoders {
        // A machine that is busy elsewhere gets a second chance.
        let (result, seconds) = timed(|| decode(decoder, data, scale));
        let seconds = if seconds > MAX_SECONDS {
            timed(|| decode(decoder, data, scale)).1
        } else {
            seconds
        };
        let name = kernels.name();
        assert!(
            seconds <= MAX_SECONDS || data.len() > 1 << 20,
            "{what}, {scale:?}, {name}: {seconds:.1} s"
        );
        match &first {
            None => first = Some(result),
            Some(first) => {
                assert!(
                    *first == result,
                    "{what}, {scale:?}: {name} ends unlike scalar"
                );
            }
        }
    }
    match first.expect("there are scalar kernels") {
        Ok((_, outcome)) if outcome.is_clean() => "clean",
        Ok(_) => "with warnings",
        Err(error) => match error.kind() {
            ErrorKind::Corrupt => "corrupt",
            ErrorKind::Unsupported => "unsupported",
            ErrorKind::LimitExceeded => "limit",
            _ => "other",
        },
    }
}

fn timed<T>(work: impl FnOnce() -> T) -> (T, f64) {
    let start = Instant::now();
    let result = work();
    (result, start.elapsed().as_secs_f64())
}

fn check_memory() {
    // Working memory of each set of kernels, and a few outputs, of both tests.
    let kernels = Kernels::available().len() as u64;
    let limit = 2 * (kernels * MAX_WORKING_BYTES + 4 * 8 * MAX_PIXELS);
    let peak = ALLOCATED.peak_usage();
    println!("peak {} MB", peak >> 20);
    assert!((peak as u64) < limit, "peak of {peak} bytes");
}

#[test]
fn refused_and_damaged_files_end() {
    let Some(folder) = slides() else { return };
    let mut decoders = decoders();
    let mut counts = BTreeMap::<&str, usize>::new();
    let paths = files(&folder.join("jpeg/bad"), u64::MAX);
    for path in &paths {
        let data = std::fs::read(path).expect("a readable file");
        for scale in SCALES {
            let what = path.display().to_string();
            let answer = decode_by_all(&mut decoders, &data, scale, &what);
            *counts.entry(answer).or_default() += 1;
        }
    }
    println!("{} files at 4 scales: {counts:?}", paths.len());
    check_memory();
}

#[test]
fn files_cut_at_every_byte_end() {
    let Some(folder) = slides() else { return };
    // By process, components and bits, the quickest first.
    let mut kinds = BTreeMap::<String, Vec<(u64, PathBuf)>>::new();
    for path in files(&folder.join("jpeg"), 5_000) {
        let data = std::fs::read(&path).expect("a readable file");
        let Ok(info) = Info::read(&data, None) else {
            continue;
        };
        let components = info.components().len();
        let kind = format!("{:?} {components} {}", info.process(), info.bits());
        let pixels = u64::from(info.width()) * u64::from(info.height());
        let work = data.len() as u64 * (pixels + 10_000);
        kinds.entry(kind).or_default().push((work, path));
    }
    kinds.values_mut().for_each(|files| files.sort());
    // One of each kind in turn.
    let longest = kinds.values().map(Vec::len).max().unwrap_or(0);
    let mut chosen: Vec<&(u64, PathBuf)> = (0..longest)
        .flat_map(|turn| kinds.values().filter_map(move |files| files.get(turn)))
        .collect();
    chosen.truncate(20);
    let mut decoders = decoders();
    let mut cuts = 0;
    for (_, path) in &chosen {
        let data = std::fs::read(path).expect("a readable file");
        let end = data.windows(2).rposition(|pair| pair == [0xFF, 0xD9]);
        for length in 0..data.len() {
            cuts += 1;
            let what = format!("{} cut to {length} bytes", path.display());
            let answer = decode_by_all(&mut decoders, &data[..length], Scale::Full, &what);
            let complete = end.is_none_or(|end| length >= end + 2);
            assert!(complete || answer != "clean", "{what} is clean");
        }
    }
    println!("{} files, {cuts} cuts, {} kinds", chosen.len(), kinds.len());
    assert!(chosen.len() >= 20, "only {} files", chosen.len());
    check_memory();
}
