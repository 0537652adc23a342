//! Whatever is in a file, opening and reading it ends within 2 seconds and 512 MB, without a panic.
//!
//! `WSI_EVERY_BYTE=1` sets every byte to every value (minutes, in release); otherwise to a few that
//! hurt most.

#![allow(clippy::print_stdout, reason = "the counts are what people read")]

use std::num::NonZero;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use peak_alloc::PeakAlloc;
use rayon::ThreadPoolBuilder;
use wsi_core::{OpenOptions, PixelFormat, Region, Slide};
use wsi_pure::PureDriver;

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

const MAX_SECONDS: f64 = 2.0;
const MAX_MEGABYTES: f32 = 512.0;

/// Small good files of different make: strips and tiles, classic and BigTIFF, both byte orders.
const SMALL_FILES: [&str; 5] = [
    "tiff/commons-imaging__TestJpegRgb127x127.tiff",
    "tiff/image-tiff__seq-1c-8b-tiled-bigtiff-20f3db0c.tiff",
    "tiff/image-tiff__seq-3c-8b-lzw-8743c999.tiff",
    "tiff/TwelveMonkeys__sm_colors_pb_tile.tif",
    "tiff/Pillow__16bit.MM.deflate.tif",
];

fn slides() -> Option<PathBuf> {
    let default = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/slides");
    let folder = std::env::var_os("WSI_TEST_SLIDES").map_or(default, PathBuf::from);
    let found = folder.join("tiff").is_dir();
    if !found {
        println!("SKIP: no test slides at {}", folder.display());
    }
    found.then_some(folder)
}

/// Opens a file and reads a part of everything in it. Errors are fine.
fn open_and_read(bytes: Vec<u8>) {
    let driver = PureDriver::with_cache_bytes(16 << 20);
    let Ok(source) = driver.open_source(Box::new(bytes), &OpenOptions::default()) else {
        return;
    };
    let slide = Slide::new(source, "hostile");
    drop(slide.properties());
    drop(slide.icc_profile());
    for level in 0..slide.pyramid().len().min(8) {
        let region = Region::at_level(level, (-3, 5), (300, 200));
        drop(slide.read_region(&region));
        drop(slide.read_region_as(&region, PixelFormat::RGBA8));
    }
    for image in slide.info().associated.iter().take(8) {
        if image.size.area() < 1 << 20 {
            drop(slide.read_associated(&image.name));
        }
    }
}

/// Runs one case; says what was wrong, if anything was.
fn run(name: &str, bytes: &[u8]) -> Option<String> {
    let start = Instant::now();
    let copy = bytes.to_vec();
    if catch_unwind(AssertUnwindSafe(|| open_and_read(copy))).is_err() {
        return Some(format!("{name}: panic"));
    }
    let seconds = start.elapsed().as_secs_f64();
    (seconds > MAX_SECONDS).then(|| format!("{name}: {seconds:.1} s"))
}

/// Runs `case` of each number below `count` and collects what was wrong.
///
/// Each thread has a pool of its own: in a common pool, a thread that waits for its own read would
/// take up another case, and count its time twice.
fn run_all(count: usize, case: impl Fn(usize) -> Vec<String> + Sync) -> Vec<String> {
    let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
    let next = AtomicUsize::new(0);
    let work = || {
        let pool = ThreadPoolBuilder::new()
            .num_threads(1)
            .build()
            .expect("a thread");
        let numbers = std::iter::from_fn(|| Some(next.fetch_add(1, Ordering::Relaxed)));
        let numbers = numbers.take_while(|&number| number < count);
        numbers
            .flat_map(|number| pool.install(|| case(number)))
            .collect::<Vec<_>>()
    };
    std::thread::scope(|scope| {
        #[expect(clippy::needless_collect, reason = "all threads start before one is joined")]
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers
            .into_iter()
            .flat_map(|worker| worker.join().expect("a worker"))
            .collect()
    })
}

fn report(what: &str, cases: usize, failures: &[String], start: Instant) {
    let seconds = start.elapsed().as_secs_f64();
    let peak = ALLOCATED.peak_usage_as_mb();
    println!("{what}: {cases} cases, {seconds:.0} s, peak {peak:.0} MB");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    // All cases of all threads together stay below what one may take.
    assert!(peak < MAX_MEGABYTES, "peak of {peak} MB");
}

#[test]
fn bad_files_are_read_or_refused() {
    let Some(folder) = slides() else { return };
    let start = Instant::now();
    let mut paths = Vec::new();
    for kind in ["bad-tiff", "tiff", "wsi"] {
        let entries = folder
            .join(kind)
            .read_dir()
            .expect("the folder of test files");
        paths.extend(entries.map(|entry| entry.expect("a readable folder").path()));
    }
    paths.retain(|path| path.is_file());
    let failures = run_all(paths.len(), |number| {
        let path = &paths[number];
        let bytes = std::fs::read(path).expect("a readable file");
        run(&path.display().to_string(), &bytes)
            .into_iter()
            .collect()
    });
    let cases = paths.len();
    report("files", cases, &failures, start);
}

#[test]
fn any_changed_byte_is_read_or_refused() {
    let Some(folder) = slides() else { return };
    let long = std::env::var_os("WSI_EVERY_BYTE").is_some();
    let start = Instant::now();
    let mut cases = 0;
    for name in SMALL_FILES {
        let good = std::fs::read(folder.join(name)).expect("a test file");
        let positions = good.len().min(4096);
        let failures = run_all(positions, |position| {
            let old = good[position];
            let few = [
                0,
                1,
                2,
                3,
                127,
                128,
                254,
                255,
                old ^ 1,
                old ^ 128,
                old.wrapping_add(1),
            ];
            let values = if long {
                (0..=255).collect()
            } else {
                few.to_vec()
            };
            let mut bytes = good.clone();
            let mut changed = |value| {
                bytes[position] = value;
                run(&format!("{name}: byte {position} is {value}"), &bytes)
            };
            values.into_iter().filter_map(&mut changed).collect()
        });
        cases += positions * if long { 256 } else { 11 };
        report(name, cases, &failures, start);
    }
}

#[test]
fn any_truncation_is_read_or_refused() {
    let Some(folder) = slides() else { return };
    let start = Instant::now();
    let mut cases = 0;
    for name in SMALL_FILES {
        let good = std::fs::read(folder.join(name)).expect("a test file");
        let failures = run_all(good.len(), |length| {
            run(&format!("{name}: {length} bytes"), &good[..length])
                .into_iter()
                .collect()
        });
        cases += good.len();
        report(name, cases, &failures, start);
    }
}

#[test]
fn declared_sizes_allocate_nothing() {
    // 2^32 pixels each way in tiles of 65,535, whose offsets would be 2^40 values.
    let mut bytes = b"II\x2b\0\x08\0\0\0\x10\0\0\0\0\0\0\0".to_vec();
    let entries: [(u16, u16, u64, u64); 7] = [
        (256, 4, 1, 0xFFFF_0001),
        (257, 4, 1, 0xFFFF_0001),
        (258, 3, 1, 8),
        (262, 3, 1, 1),
        (322, 4, 1, 0xFFFF),
        (323, 4, 1, 0xFFFF),
        (324, 16, 1 << 40, 0),
    ];
    bytes.extend((entries.len() as u64).to_le_bytes());
    for (tag, kind, count, value) in entries {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(kind.to_le_bytes());
        bytes.extend(count.to_le_bytes());
        bytes.extend(value.to_le_bytes());
    }
    bytes.extend(0_u64.to_le_bytes());
    let start = Instant::now();
    let driver = PureDriver::new();
    let refusal = driver
        .open_source(Box::new(bytes), &OpenOptions::default())
        .err();
    let error = refusal.expect("a refusal");
    assert_eq!(error.kind(), wsi_core::ErrorKind::LimitExceeded, "{error}");
    assert!(start.elapsed() < Duration::from_secs(2));
}
