//! A slide of a slide's stored tiles: copies in a grid of cells, and nothing between them.
//!
//! A `BigTIFF` in which each tile's bytes stand once, however often its directory names them, so a
//! slide of sixteen times the area is hardly larger than its source.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, ensure};
use wsi_core::source::TileIndex;
use wsi_core::{Driver, EncodedTiles, OpenOptions, Plane};
use wsi_pure::PureDriver;

/// Level-0 pixels of a cell: a whole number of tiles on each level of both fixtures.
const CELL: u64 = 32_768;

/// Tiles of one level: where in the file, and how many bytes.
struct Level {
    side: u64,
    tile: u64,
    tables: Vec<u8>,
    entries: Vec<(u64, u64)>,
}

/// Writes a square slide of `side` cells a side, of which `copies` show the slide `source`.
pub(crate) fn write(
    source: &Path,
    side: u32,
    copies: &[(u32, u32)],
    path: &Path,
) -> anyhow::Result<()> {
    let slide = PureDriver::new().open(source, &OpenOptions::default())?;
    let tiles = slide.encoded_tiles().context("stored tiles")?;
    let mut file = BufWriter::new(File::create(path)?);
    // All tiles, and behind them the directories.
    let mut bodies: Vec<u8> = Vec::new();
    let mut levels = Vec::new();
    let (mut blank, mut tables) = (None, None);
    let is_jpeg = tiles.layout(0, Plane::default())?.compression == "jpeg";
    for (index, level) in slide.info().pyramid.levels().iter().enumerate() {
        let layout = tiles.layout(index, Plane::default())?;
        let tile = u64::from(layout.tile_size.width);
        // The fixtures' levels are whole fractions of level 0.
        let cell = (CELL as f64 / level.downsample) as u64;
        ensure!(cell.is_multiple_of(tile), "cells of whole tiles");
        let across = cell / tile;
        let (columns, rows) = (u64::from(layout.columns), u64::from(layout.rows));
        ensure!(
            columns <= across && rows <= across,
            "a slide that fits a cell"
        );
        let stored = stored_tiles(tiles, index, (layout.columns, layout.rows), &mut bodies)?;
        // The first tile of the fixtures' level 0 is blank, and tiles and tables are alike on all.
        let blank = *blank.get_or_insert(stored[0]);
        ensure!(
            *tables.get_or_insert_with(|| layout.jpeg_tables.to_vec()) == *layout.jpeg_tables,
            "other tables"
        );
        let total = across * u64::from(side);
        let mut entries = vec![blank; usize::try_from(total * total)?];
        for &(x, y) in copies {
            for row in 0..rows {
                let from = usize::try_from(row * columns)?;
                let to = (u64::from(y) * across + row) * total + u64::from(x) * across;
                let to = usize::try_from(to)?;
                let length = usize::try_from(columns)?;
                entries[to..to + length].copy_from_slice(&stored[from..from + length]);
            }
        }
        levels.push(Level {
            side: cell * u64::from(side),
            tile,
            tables: layout.jpeg_tables.to_vec(),
            entries,
        });
    }
    file.write_all(&header(16 + bodies.len() as u64))?;
    file.write_all(&bodies)?;
    let mut at = 16 + bodies.len() as u64;
    for (number, level) in levels.iter().enumerate() {
        let last = number + 1 == levels.len();
        let directory = directory(level, number > 0, is_jpeg, at, last)?;
        at += directory.len() as u64;
        file.write_all(&directory)?;
    }
    file.flush()?;
    Ok(())
}

fn header(first: u64) -> Vec<u8> {
    let mut header = b"II\x2b\0\x08\0\0\0".to_vec();
    header.extend(first.to_le_bytes());
    header
}

/// Appends every stored tile of a level to `bodies`; gives their places in the file.
fn stored_tiles(
    tiles: &dyn EncodedTiles,
    level: usize,
    (columns, rows): (u32, u32),
    bodies: &mut Vec<u8>,
) -> anyhow::Result<Vec<(u64, u64)>> {
    let mut places = Vec::new();
    let mut bytes = Vec::new();
    for row in 0..rows {
        for column in 0..columns {
            let index = TileIndex {
                level,
                plane: Plane::default(),
                column,
                row,
            };
            ensure!(
                tiles.read_tile(index, &mut bytes)?,
                "a tile that is left out"
            );
            places.push((16 + bodies.len() as u64, bytes.len() as u64));
            bodies.extend_from_slice(&bytes);
        }
    }
    Ok(places)
}

/// A directory that starts at `at`, with its arrays behind it.
fn directory(
    level: &Level,
    reduced: bool,
    is_jpeg: bool,
    at: u64,
    last: bool,
) -> anyhow::Result<Vec<u8>> {
    let count = level.entries.len() as u64;
    let number = |value: u64| value.to_le_bytes().to_vec();
    let shorts = |values: &[u16]| {
        let mut bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        bytes.resize(8, 0);
        bytes
    };
    let long8s = |pick: fn(&(u64, u64)) -> u64| {
        let values = level.entries.iter().map(pick);
        values.flat_map(u64::to_le_bytes).collect::<Vec<u8>>()
    };
    let (compression, photometric) = if is_jpeg { (7, 6) } else { (5, 2) };
    // Tag, type, count, value; types 3, 7 and 16 are SHORT, UNDEFINED and LONG8.
    let mut fields: Vec<(u16, u16, u64, Vec<u8>)> = vec![
        (254, 16, 1, number(u64::from(reduced))),
        (256, 16, 1, number(level.side)),
        (257, 16, 1, number(level.side)),
        (258, 3, 3, shorts(&[8, 8, 8])),
        (259, 3, 1, shorts(&[compression])),
        (262, 3, 1, shorts(&[photometric])),
        (277, 3, 1, shorts(&[3])),
        (284, 3, 1, shorts(&[1])),
        (322, 16, 1, number(level.tile)),
        (323, 16, 1, number(level.tile)),
        (324, 16, count, long8s(|&(offset, _)| offset)),
        (325, 16, count, long8s(|&(_, length)| length)),
    ];
    if is_jpeg {
        fields.push((347, 7, level.tables.len() as u64, level.tables.clone()));
        fields.push((530, 3, 2, shorts(&[2, 2])));
    }
    let mut behind = at + 8 + 20 * fields.len() as u64 + 8;
    let mut entries = (fields.len() as u64).to_le_bytes().to_vec();
    let mut arrays = Vec::new();
    for (tag, kind, count, mut value) in fields {
        entries.extend(tag.to_le_bytes());
        entries.extend(kind.to_le_bytes());
        entries.extend(count.to_le_bytes());
        if value.len() <= 8 {
            value.resize(8, 0);
            entries.extend(value);
        } else {
            entries.extend(behind.to_le_bytes());
            behind += value.len() as u64;
            arrays.extend(value);
        }
    }
    let next = if last { 0 } else { behind };
    entries.extend(next.to_le_bytes());
    entries.extend(arrays);
    Ok(entries)
}
