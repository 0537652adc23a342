//! What the benches share: the backends and the slides that are there. What is not prints SKIP.

#![allow(dead_code, unreachable_pub, reason = "each bench takes its part of it")]
#![allow(clippy::print_stderr, reason = "stdout is criterion's")]

use std::path::{Path, PathBuf};

use wsi::{Driver, OpenOptions, Slide};

/// A backend, and how to make a driver of it whose cache is empty.
pub struct Backend {
    pub name: &'static str,
    make: fn() -> Box<dyn Driver>,
}

impl Backend {
    pub fn driver(&self) -> Box<dyn Driver> {
        (self.make)()
    }

    /// The slide, by a driver of its own, so that nothing of it is in a cache.
    pub fn open(&self, path: &Path) -> Slide {
        let source = self.driver().open(path, &OpenOptions::default());
        Slide::new(source.expect("a slide of ours"), path)
    }
}

/// The backends of this build that run here.
pub fn backends() -> Vec<Backend> {
    let mut backends = vec![Backend {
        name: "pure",
        make: || Box::new(wsi::pure::PureDriver::new()),
    }];
    #[cfg(feature = "openslide")]
    match wsi::openslide::OpenSlideDriver::new().version() {
        Ok(_) => backends.push(Backend {
            name: "openslide",
            make: || Box::new(wsi::openslide::OpenSlideDriver::new()),
        }),
        Err(error) => eprintln!("SKIP openslide: {error}"),
    }
    #[cfg(not(feature = "openslide"))]
    eprintln!("SKIP openslide: not built in (`--features openslide`)");
    backends.sort_by_key(|backend| backend.name);
    backends
}

/// A slide, its mask, and the name that its rows have.
pub struct Sample {
    pub name: &'static str,
    pub slide: PathBuf,
    pub mask: PathBuf,
}

/// The slides that are there: the bundled one, and those that `cargo xtask fixtures` makes.
pub fn samples() -> Vec<Sample> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sample = |name, slide: &str, mask: &str| Sample {
        name,
        slide: root.join(slide),
        mask: root.join(mask),
    };
    let mut samples = vec![
        sample(
            "CMU-1-Small-Region",
            "fixtures/CMU-1-Small-Region.svs",
            "fixtures/CMU-1-Small-Region_mask.tiff",
        ),
        sample(
            "slide_a",
            "target/fixtures/slide_a.tiff",
            "target/fixtures/slide_a_mask.tiff",
        ),
        sample(
            "slide_b",
            "target/fixtures/slide_b.tiff",
            "target/fixtures/slide_b_mask.tiff",
        ),
    ];
    samples.retain(|sample| {
        let there = sample.slide.exists();
        if !there {
            eprintln!("SKIP {}: `cargo xtask fixtures` makes it", sample.name);
        }
        there
    });
    samples
}

/// A pool of one thread: reads stay in it.
pub fn one_thread() -> rayon::ThreadPool {
    rayon::ThreadPoolBuilder::new()
        .num_threads(1)
        .build()
        .expect("a thread")
}
