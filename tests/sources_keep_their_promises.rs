//! Every slide that the pure backend opens passes the conformance suite: regions over edges,
//! negative origins, other strides, sixteen threads at once. `WSI_LONG_TESTS=1` takes in every TIFF.

#![allow(clippy::print_stdout, reason = "the counts are what people read")]

use std::path::Path;

use wsi::{ErrorKind, conformance};

mod support;

fn check(path: &Path) -> Result<bool, String> {
    let slide = match wsi::open(path) {
        Ok(slide) => slide,
        Err(error) if error.kind() == ErrorKind::Io => return Err(error.to_string()),
        Err(_) => return Ok(false),
    };
    // Slides with damaged tiles are for other tests.
    let readable = (0..slide.pyramid().len())
        .all(|level| slide.read_level(level, slide.info().pixel_format).is_ok());
    if !readable {
        return Ok(false);
    }
    conformance::check(&slide)
        .map(|()| true)
        .map_err(|broken| format!("{}: {broken}", path.display()))
}

#[test]
fn bundled_slides_keep_every_promise() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    for name in ["CMU-1-Small-Region.svs", "CMU-1-Small-Region_mask.tiff"] {
        assert_eq!(check(&fixtures.join(name)), Ok(true));
    }
}

#[test]
fn test_slides_keep_every_promise() {
    let Some(folder) = support::slides() else {
        return;
    };
    let mut kept = 0;
    let mut failures = Vec::new();
    let long = std::env::var_os("WSI_LONG_TESTS").is_some();
    let kinds = if long { &["wsi", "tiff"][..] } else { &["wsi"] };
    for kind in kinds {
        for entry in folder.join(kind).read_dir().expect("the folder of slides") {
            let path = entry.expect("a readable folder").path();
            let small = path
                .metadata()
                .is_ok_and(|meta| meta.is_file() && meta.len() < 3 << 20);
            if small {
                match check(&path) {
                    Ok(passed) => kept += usize::from(passed),
                    Err(broken) => failures.push(broken),
                }
            }
        }
    }
    println!("{kept} slides keep every promise");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(
        kept > if long { 500 } else { 40 },
        "only {kept} slides were checked"
    );
}
