//! Tiling the largest level of the large fixture takes less than 200 MB, whatever is written.

#![allow(clippy::print_stdout, reason = "a test that does nothing says so")]

use std::path::Path;

use peak_alloc::PeakAlloc;
use wsi::tiling::{LevelChoice, Mask, NpyFolder, PngFolder, Settings, TileSink, TilingJob};

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

const MAX_MEGABYTES: f32 = 200.0;

#[test]
fn tiling_the_large_fixture_stays_below_200_megabytes() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/fixtures");
    let slide = fixtures.join("slide_a.tiff");
    if !slide.is_file() {
        println!("SKIP: `cargo xtask fixtures` makes {}", slide.display());
        return;
    }
    let out = tempfile::tempdir().expect("a folder");
    let sinks: [Box<dyn TileSink>; 2] = [
        Box::new(PngFolder::new(out.path().join("png"))),
        Box::new(NpyFolder::new(out.path().join("npy"))),
    ];
    for mut sink in sinks {
        let slide = wsi::open(&slide).expect("the slide");
        let mask = wsi::open(fixtures.join("slide_a_mask.tiff")).expect("the mask");
        ALLOCATED.reset_peak_usage();
        let report = TilingJob::new(&slide)
            .with_mask(Mask::from_slide(mask).expect("a mask"))
            .with_settings(Settings::default().with_level(LevelChoice::Index(0)))
            .run(&mut *sink)
            .expect("a run");
        let peak = ALLOCATED.peak_usage_as_mb();
        println!(
            "{} of {} tiles, peak {peak:.0} MB",
            report.tiles.len(),
            report.tiles_total
        );
        assert!(report.tiles.len() > 1000, "the job is large");
        assert!(peak < MAX_MEGABYTES, "peak of {peak} MB");
    }
}
