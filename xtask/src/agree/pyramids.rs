//! Pyramids made to be difficult: downsamples that are no whole numbers, tiles smaller than a
//! region, tiles that are left out or drawn from finer levels, levels that end anywhere in a tile.

use std::path::Path;

use anyhow::Context;

use crate::fixtures::texture::Texture;
use crate::fixtures::tiff_writer::{Layout, Samples, Size, TiffWriter};
use crate::fixtures::tile_codec;
use crate::workspace;

/// A pyramid. Its format is Aperio's if its name ends in `svs`.
struct Recipe {
    name: &'static str,
    tile: u32,
    is_jpeg: bool,
    /// One of how many tiles is left out of each level; 0 or nothing for none.
    left_out: &'static [u32],
    /// Sizes of the levels.
    levels: &'static [(u32, u32)],
}

impl Recipe {
    const fn new(
        name: &'static str,
        tile: u32,
        is_jpeg: bool,
        left_out: &'static [u32],
        levels: &'static [(u32, u32)],
    ) -> Self {
        Self {
            name,
            tile,
            is_jpeg,
            left_out,
            levels,
        }
    }
}

#[rustfmt::skip]
const RECIPES: &[Recipe] = &[
    Recipe::new("thirds.tiff", 64, false, &[], &[(1000, 800), (333, 266), (111, 88)]),
    Recipe::new("nearly-four.tiff", 256, true, &[], &[(2203, 2907), (550, 726), (137, 181)]),
    Recipe::new("uneven.tiff", 128, true, &[], &[(1800, 1100), (1201, 733), (700, 430), (61, 37)]),
    Recipe::new("tiny-tiles.tiff", 16, false, &[], &[(517, 389), (203, 155), (51, 38)]),
    Recipe::new("sparse.tiff", 64, false, &[3, 3, 3], &[(1500, 1300), (577, 500), (300, 260)]),
    Recipe::new("wide.tiff", 512, true, &[], &[(2220, 900), (1480, 600), (317, 128)]),
    // Tiles that are left out of coarser levels are drawn from the finer ones.
    Recipe::new("halves.svs", 64, false, &[0, 3, 4], &[(1000, 800), (500, 400), (250, 200)]),
    Recipe::new("fours.svs", 48, false, &[0, 3, 1], &[(2048, 1664), (512, 416), (128, 104)]),
    Recipe::new("nearly-four.svs", 112, true, &[0, 2, 2], &[(2203, 2907), (550, 726), (137, 181)]),
    Recipe::new("all-above.svs", 64, false, &[0, 1, 1], &[(1503, 1301), (375, 325), (93, 81)]),
    Recipe::new("holes.svs", 64, false, &[11, 0, 3], &[(1500, 1300), (577, 500), (300, 260)]),
    Recipe::new("thirds.svs", 32, false, &[17, 4], &[(1000, 800), (333, 266)]),
    Recipe::new("little-less.svs", 80, false, &[0, 2, 2], &[(1000, 800), (833, 666), (640, 512)]),
    Recipe::new("same-size.svs", 64, false, &[0, 2], &[(700, 500), (700, 500)]),
    Recipe::new("nearly-same.svs", 64, false, &[0, 2, 2], &[(3000, 500), (2999, 500), (2990, 499)]),
    Recipe::new("far-apart.svs", 32, false, &[0, 1], &[(1900, 1500), (90, 71)]),
];

const APERIO: &str = "Aperio Image Library v12.0.0\r\nmade|AppMag = 20|MPP = 0.5";

/// Writes them all into `folder`.
pub(super) fn write(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let texture = Texture::read(&workspace::bundled_slide())?;
    for recipe in RECIPES {
        write_one(folder, recipe, &texture).with_context(|| recipe.name.to_owned())?;
    }
    Ok(())
}

fn write_one(folder: &Path, recipe: &Recipe, texture: &Texture) -> anyhow::Result<()> {
    let &Recipe {
        name,
        tile: side,
        is_jpeg,
        left_out,
        levels: sizes,
    } = recipe;
    let blank = vec![0; (side * side * 3) as usize];
    let samples = match is_jpeg {
        true => Samples::Jpeg {
            tables: tile_codec::jpeg(&blank, side as u16)?.tables,
        },
        false => Samples::LzwRgb,
    };
    let layout = Layout {
        levels: sizes
            .iter()
            .map(|&(width, height)| Size { width, height })
            .collect(),
        tile: side,
        samples,
        pixels_per_centimetre: 20_000,
        description: name.ends_with("svs").then_some(APERIO),
    };
    let mut writer = TiffWriter::create(&folder.join(name), layout)?;
    for (level, &(width, height)) in sizes.iter().enumerate() {
        let one_of = left_out.get(level).copied().unwrap_or(0);
        for row in 0..height.div_ceil(side) {
            for column in 0..width.div_ceil(side) {
                if one_of > 0 && (row * 7 + column * 5 + level as u32).is_multiple_of(one_of) {
                    writer.push(level, &[])?;
                    continue;
                }
                let tile = tile(texture, level, side, (column, row));
                let stored = match is_jpeg {
                    true => tile_codec::jpeg(&tile, side as u16)?.tile,
                    false => tile_codec::lzw(&tile)?,
                };
                writer.push(level, &stored)?;
            }
        }
    }
    writer.finish()
}

/// Tissue, another part of it on each level: nothing says that levels show the same.
fn tile(texture: &Texture, level: usize, side: u32, (column, row): (u32, u32)) -> Vec<u8> {
    let mut pixels = Vec::with_capacity((side * side * 3) as usize);
    for y in 0..side {
        for x in 0..side {
            let across = ((column * side + x) as usize + level * 401) % texture.width;
            let down = ((row * side + y) as usize + level * 307) % texture.height;
            let at = (down * texture.width + across) * 3;
            pixels.extend_from_slice(&texture.pixels[at..at + 3]);
        }
    }
    pixels
}
