//! Random pictures, encoded in random ways, decode to libjpeg-turbo's bytes at all four scales.

use std::collections::BTreeMap;

use wsi_jpeg::{Info, Options, PixelFormat, Scale};
use wsi_jpeg_turbo::compare::{self, SCALES};
use wsi_jpeg_turbo::random::Random;
use wsi_jpeg_turbo::recipe::Recipe;
use wsi_jpeg_turbo::turbo::{Ending, Turbo};

#[test]
fn random_encodes_equal_libjpeg_turbo() {
    let count = compare::count("WSI_TURBO_ENCODES", 5_000);
    let mut turbo = Turbo::new();
    let mut decoders = compare::decoders();
    let mut seen = BTreeMap::<String, usize>::new();
    let mut wrong = Vec::new();
    for number in 0..count {
        let mut random = Random::new(number as u64);
        let recipe = Recipe::random(&mut random, 600);
        let data = recipe.encode();
        let process = Info::read(&data, None)
            .expect("an encoder's headers")
            .process();
        // The second encoder writes stray bytes between the scans of some pictures.
        let clean = turbo
            .decode(&data, Scale::Full, recipe.format(), 1 << 26)
            .ending;
        let clean = if clean == Ending::Clean {
            ""
        } else {
            " with warnings"
        };
        *seen
            .entry(format!("{process:?} {:?}{clean}", recipe.color))
            .or_default() += 1;
        let formats = [recipe.format(), PixelFormat::Planes8];
        for (scale, format) in SCALES
            .map(|scale| formats.map(|format| (scale, format)))
            .concat()
        {
            let theirs = compare::reference(&mut turbo, &data, scale, format);
            let options = Options::new(format).with_scale(scale);
            let extent =
                compare::extent((theirs.width, theirs.height), format, recipe.components());
            for (kernels, decoder) in &mut decoders {
                // The first sight of new tables takes another path than the second.
                for sight in 1..=2 {
                    let gap = random.below(40);
                    let ours = compare::decode(decoder, &data, &options, extent, gap);
                    if let Err(what) = compare::same_ending(ours, &theirs, extent.0) {
                        wrong.push(format!(
                            "seed {number}, {kernels}, {scale:?}, {format:?}, sight {sight}: \
                             {what}\n  {recipe:?}"
                        ));
                    }
                }
            }
        }
    }
    for (kind, count) in &seen {
        println!("{kind}: {count}");
    }
    println!(
        "{count} encodes, {} sets of kernels, 4 scales",
        decoders.len()
    );
    compare::assert_none(&wrong);
}
