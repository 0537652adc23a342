//! Pyramids made to be difficult: downsamples that are no whole numbers, tiles smaller than a
//! region, tiles that are left out, levels that end anywhere in a tile.

use std::path::Path;

use anyhow::Context;

use crate::fixtures::texture::Texture;
use crate::fixtures::tiff_writer::{Layout, Samples, Size, TiffWriter};
use crate::fixtures::tile_codec;
use crate::workspace;

/// Name, tile side, whether JPEG, one of how many tiles is left out (0: none), sizes of the levels.
type Recipe = (&'static str, u32, bool, u32, &'static [(u32, u32)]);

const RECIPES: &[Recipe] = &[
    (
        "thirds.tiff",
        64,
        false,
        0,
        &[(1000, 800), (333, 266), (111, 88)],
    ),
    (
        "nearly-four.tiff",
        256,
        true,
        0,
        &[(2203, 2907), (550, 726), (137, 181)],
    ),
    (
        "uneven.tiff",
        128,
        true,
        0,
        &[(1800, 1100), (1201, 733), (700, 430), (61, 37)],
    ),
    (
        "tiny-tiles.tiff",
        16,
        false,
        0,
        &[(517, 389), (203, 155), (51, 38)],
    ),
    (
        "sparse.tiff",
        64,
        false,
        3,
        &[(1500, 1300), (577, 500), (300, 260)],
    ),
    (
        "wide.tiff",
        512,
        true,
        0,
        &[(2220, 900), (1480, 600), (317, 128)],
    ),
];

/// Writes them all into `folder`.
pub(super) fn write(folder: &Path) -> anyhow::Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    let texture = Texture::read(&workspace::bundled_slide())?;
    for recipe in RECIPES {
        write_one(folder, recipe, &texture).with_context(|| recipe.0.to_owned())?;
    }
    Ok(())
}

fn write_one(
    folder: &Path,
    &(name, side, is_jpeg, sparse, sizes): &Recipe,
    texture: &Texture,
) -> anyhow::Result<()> {
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
    };
    let mut writer = TiffWriter::create(&folder.join(name), layout)?;
    for (level, &(width, height)) in sizes.iter().enumerate() {
        for row in 0..height.div_ceil(side) {
            for column in 0..width.div_ceil(side) {
                if sparse > 0 && (row * 7 + column * 5 + level as u32).is_multiple_of(sparse) {
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
