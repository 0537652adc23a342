//! Which part of which tile goes where.

use std::collections::BTreeMap;

use wsi_core::{Point, Rect, Size};

/// A part of a picture of the output.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Placement {
    /// Number of the tile; `None` for what lies outside of the slide.
    pub(super) tile: Option<usize>,
    /// First pixel in the tile.
    pub(super) source: (u32, u32),
    pub(super) size: Size,
    /// Number of the picture.
    pub(super) item: usize,
    /// First pixel in the picture.
    pub(super) target: (u32, u32),
}

/// Column and row of a tile.
type Cell = (u32, u32);

/// The placements of some pictures, and the tiles that they need.
#[derive(Debug, Default)]
pub(super) struct Placements {
    /// By tile; those without one first.
    pub(super) parts: Vec<Placement>,
    /// Columns and rows, in the order of the numbers: row by row.
    pub(super) tiles: Vec<Cell>,
}

impl Placements {
    /// The parts of pictures of `size` whose first pixels on a level are `origins`.
    pub(super) fn of_patches(
        level: Size,
        tile: Size,
        origins: impl IntoIterator<Item = Point>,
        size: Size,
    ) -> Self {
        let whole = Rect::new((0, 0), level);
        let mut parts: Vec<(Option<(u32, u32)>, Placement)> = Vec::new();
        for (item, origin) in origins.into_iter().enumerate() {
            let patch = Rect { origin, size };
            let inside = patch.intersection(whole).filter(|rect| !rect.is_empty());
            let mut outside = |rect: Rect| {
                let part = Placement {
                    tile: None,
                    source: (0, 0),
                    size: rect.size,
                    item,
                    target: offset(rect.origin, Point::new(0, 0)),
                };
                parts.push((None, part));
            };
            around(
                size,
                inside.map(|rect| relative(rect, origin)),
                &mut outside,
            );
            let Some(inside) = inside else { continue };
            for cell in cells(inside, tile) {
                let corner = Point::new(
                    i64::from(cell.0) * i64::from(tile.width),
                    i64::from(cell.1) * i64::from(tile.height),
                );
                let area = Rect {
                    origin: corner,
                    size: tile,
                };
                let Some(rect) = inside.intersection(area) else {
                    continue;
                };
                let part = Placement {
                    tile: None,
                    source: offset(rect.origin, corner),
                    size: rect.size,
                    item,
                    target: offset(rect.origin, origin),
                };
                parts.push((Some(cell), part));
            }
        }
        Self::numbered(parts)
    }

    /// Numbers the tiles row by row.
    fn numbered(mut parts: Vec<(Option<Cell>, Placement)>) -> Self {
        let rows_first = |cell: Option<Cell>| cell.map(|(column, row)| (row, column));
        parts.sort_by_key(|&(cell, part)| (rows_first(cell), part.item));
        let mut numbers: BTreeMap<(u32, u32), usize> = BTreeMap::new();
        let mut placements = Self::default();
        for (cell, mut part) in parts {
            if let Some((column, row)) = cell {
                let next = placements.tiles.len();
                let number = *numbers.entry((row, column)).or_insert(next);
                if number == next {
                    placements.tiles.push((column, row));
                }
                part.tile = Some(number);
            }
            placements.parts.push(part);
        }
        placements
    }

    /// Streams, each a picture as it is.
    pub(super) fn of_streams(count: usize, size: Size) -> Self {
        let part = |item| Placement {
            tile: Some(item),
            source: (0, 0),
            size,
            item,
            target: (0, 0),
        };
        Self {
            parts: (0..count).map(part).collect(),
            tiles: Vec::new(),
        }
    }

    /// The parts that no tile has.
    pub(super) fn outside(&self) -> &[Placement] {
        let end = self.parts.partition_point(|part| part.tile.is_none());
        &self.parts[..end]
    }

    /// The parts of a tile.
    pub(super) fn of_tile(&self, tile: usize) -> &[Placement] {
        let start = self.parts.partition_point(|part| part.tile < Some(tile));
        let end = self.parts.partition_point(|part| part.tile <= Some(tile));
        &self.parts[start..end]
    }
}

/// The cells of the tile grid that a rectangle of the level touches.
fn cells(rect: Rect, tile: Size) -> impl Iterator<Item = Cell> {
    let range = |start: i64, end: i64, side: u32| {
        let side = i64::from(side.max(1));
        let number = |value: i64| u32::try_from(value).unwrap_or(0);
        number(start / side)..number((end - 1) / side + 1)
    };
    let columns = range(rect.origin.x, rect.right(), tile.width);
    let rows = range(rect.origin.y, rect.bottom(), tile.height);
    rows.flat_map(move |row| columns.clone().map(move |column| (column, row)))
}

/// What of a picture of `size` is not `inside`, in up to four rectangles.
fn around(size: Size, inside: Option<Rect>, mut each: impl FnMut(Rect)) {
    let Some(inside) = inside else {
        if !size.is_empty() {
            each(Rect::new((0, 0), size));
        }
        return;
    };
    let (left, top) = offset(inside.origin, Point::new(0, 0));
    let (right, bottom) = (left + inside.size.width, top + inside.size.height);
    let sides = [
        (0, 0, size.width, top),
        (0, bottom, size.width, size.height - bottom),
        (0, top, left, bottom - top),
        (right, top, size.width - right, bottom - top),
    ];
    for (x, y, width, height) in sides {
        let rect = Rect::new((i64::from(x), i64::from(y)), (width, height));
        if !rect.is_empty() {
            each(rect);
        }
    }
}

/// A rectangle as seen from `origin`.
fn relative(rect: Rect, origin: Point) -> Rect {
    Rect {
        origin: Point::new(rect.origin.x - origin.x, rect.origin.y - origin.y),
        size: rect.size,
    }
}

/// How far a point is from another one above and to the left of it.
fn offset(point: Point, from: Point) -> (u32, u32) {
    let distance = |a: i64, b: i64| u32::try_from(a - b).unwrap_or(0);
    (distance(point.x, from.x), distance(point.y, from.y))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cover_each_patch_once() {
        let (level, tile, size) = (Size::new(100, 70), Size::new(32, 16), Size::new(40, 21));
        let origins: Vec<_> = (-60..110)
            .step_by(17)
            .flat_map(|x| (-30..90).step_by(13).map(move |y| Point::new(x, y)))
            .collect();
        let placements = Placements::of_patches(level, tile, origins.iter().copied(), size);
        let area = usize::try_from(size.area()).unwrap();
        let mut covered = vec![0_u8; origins.len() * area];
        for part in &placements.parts {
            for y in 0..part.size.height {
                for x in 0..part.size.width {
                    let (to_x, to_y) = (part.target.0 + x, part.target.1 + y);
                    covered[part.item * area + (to_y * size.width + to_x) as usize] += 1;
                    let level_x = origins[part.item].x + i64::from(to_x);
                    let level_y = origins[part.item].y + i64::from(to_y);
                    let inside = (0..100).contains(&level_x) && (0..70).contains(&level_y);
                    assert_eq!(part.tile.is_some(), inside);
                    let Some(tile_number) = part.tile else {
                        continue;
                    };
                    let (column, row) = placements.tiles[tile_number];
                    assert_eq!(level_x, i64::from(column * 32 + part.source.0 + x));
                    assert_eq!(level_y, i64::from(row * 16 + part.source.1 + y));
                }
            }
        }
        assert!(covered.iter().all(|&count| count == 1));
        let sum: usize = (0..placements.tiles.len())
            .map(|tile| placements.of_tile(tile).len())
            .sum();
        assert_eq!(sum + placements.outside().len(), placements.parts.len());
    }
}
