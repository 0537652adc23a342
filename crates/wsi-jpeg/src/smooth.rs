//! Block smoothing: guesses at low AC coefficients of progressive pictures that are cut short.
//!
//! libjpeg-turbo fills AC coefficients that no scan has made known from the DC values of a 5 x 5
//! neighbourhood (T.81 annex K.8, widened). In a complete picture nothing is unknown and this
//! does nothing.

#![allow(
    clippy::cast_possible_truncation,
    reason = "guesses are cut to 16 bits as the reference stores them"
)]

use crate::idct::Block;
use crate::layout::ComponentLayout;
use crate::progressive::Progress;
use crate::tables::Quantisers;

/// Whether the reference would smooth (`smoothing_ok`): all DC values known at least in part, the
/// first quantisers not zero, and one of the first nine AC coefficients not known in full.
pub(crate) fn applies(progress: &Progress, quantisers: &[Option<Quantisers>]) -> bool {
    let mut useful = false;
    for (quantisers, now) in quantisers.iter().zip(&progress.now) {
        let Some(quantisers) = quantisers else {
            return false;
        };
        if quantisers[..10].contains(&0) || now[0] < 0 {
            return false;
        }
        useful |= now[1..10].iter().any(|&bits| bits != 0);
    }
    useful
}

/// The blocks of one component, and what is known of them.
#[derive(Debug)]
pub(crate) struct Smoother<'a> {
    pub(crate) blocks: &'a [Block],
    pub(crate) shape: &'a ComponentLayout,
    pub(crate) quantisers: &'a Quantisers,
    pub(crate) progress: &'a Progress,
    /// Index of the component in the frame.
    pub(crate) component: usize,
    /// Rows of interleaved MCUs.
    pub(crate) mcus_high: usize,
}

impl Smoother<'_> {
    /// The smoothed copy of a block.
    pub(crate) fn block(&self, row: usize, column: usize) -> Block {
        let shape = self.shape;
        let mut block = self.blocks[row * shape.padded_wide + column];
        let mcu_row = row / shape.vertical;
        let known = self.progress.known(self.component, mcu_row);
        let window = self.window(row, column);
        let no_ac = known[1..10].iter().all(|&bits| bits == -1);
        let (weights, count) = if no_ac {
            (&WITHOUT_AC, 10)
        } else {
            (&WITH_AC, 6)
        };
        let scale = i64::from(self.quantisers[0]);
        for index in 1..count {
            if known[index] != 0 && block[index] == 0 {
                let sum = scale * dot(&weights[index - 1], &window);
                let limit = (known[index] > 0).then(|| (1 << known[index]) - 1);
                block[index] = estimate(sum, self.quantisers[index], limit);
            }
        }
        if no_ac {
            block[0] = estimate(scale * dot(&DC, &window), self.quantisers[0], None);
        }
        block
    }

    /// DC values of the 5 x 5 blocks around one, edges repeated.
    fn window(&self, row: usize, column: usize) -> [i64; 25] {
        let shape = self.shape;
        let mcu_row = row / shape.vertical;
        let within = row % shape.vertical;
        // The reference counts rows by the height of the MCU row at hand, which is less in the
        // last one; its comparisons at the edges are kept.
        let block_rows = if mcu_row + 1 < self.mcus_high {
            shape.vertical
        } else {
            shape.units_high - mcu_row * shape.vertical
        };
        let all = block_rows * self.mcus_high;
        let counted = mcu_row * block_rows + within;
        let above = if counted > 0 { row - 1 } else { row };
        let above2 = if counted > 1 { row - 2 } else { above };
        let below = if counted + 1 < all { row + 1 } else { row };
        let below2 = if counted + 2 < all { row + 2 } else { below };
        let mut window = [0; 25];
        for (line, row) in [above2, above, row, below, below2].into_iter().enumerate() {
            for offset in 0..5 {
                let x = (column + offset)
                    .saturating_sub(2)
                    .min(shape.units_wide - 1);
                window[line * 5 + offset] = i64::from(self.blocks[row * shape.padded_wide + x][0]);
            }
        }
        window
    }
}

fn dot(weights: &[i16; 25], window: &[i64; 25]) -> i64 {
    weights
        .iter()
        .zip(window)
        .map(|(&weight, value)| i64::from(weight) * value)
        .sum()
}

/// `sum / (256 quantiser)`, rounded away from zero, its size at most `limit`.
fn estimate(sum: i64, quantiser: u16, limit: Option<i64>) -> i16 {
    let quantiser = i64::from(quantiser);
    let size = ((quantiser << 7) + sum.abs()) / (quantiser << 8);
    let size = limit.map_or(size, |limit| size.min(limit));
    (if sum >= 0 { size } else { -size }) as i16
}

/// Weights of DC values for zigzag coefficients 1 to 5 where some AC coefficients are known.
#[rustfmt::skip]
const WITH_AC: [[i16; 25]; 9] = [
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -7, 50, 0, -50, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    [0, 0, -7, 0, 0, 0, 0, 50, 0, 0, 0, 0, 0, 0, 0, 0, 0, -50, 0, 0, 0, 0, 7, 0, 0],
    [0, 0, -1, 0, 0, 0, 0, 13, 0, 0, 0, 0, -24, 0, 0, 0, 0, 13, 0, 0, 0, 0, -1, 0, 0],
    [0, -1, 0, 1, 0, -1, 10, 0, -10, 1, 0, 0, 0, 0, 0, 1, -10, 0, 10, -1, 0, 1, 0, -1, 0],
    [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, -1, 13, -24, 13, -1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    [0; 25], [0; 25], [0; 25], [0; 25],
];

/// Weights of DC values for zigzag coefficients 1 to 9 where no AC coefficient is known.
#[rustfmt::skip]
const WITHOUT_AC: [[i16; 25]; 9] = [
    [-1, -1, 0, 1, 1, -3, 13, 0, -13, 3, -3, 38, 0, -38, 3, -3, 13, 0, -13, 3, -1, -1, 0, 1, 1],
    [-1, -3, -3, -3, -1, -1, 13, 38, 13, -1, 0, 0, 0, 0, 0, 1, -13, -38, -13, 1, 1, 3, 3, 3, 1],
    [0, 0, 1, 0, 0, 0, 2, 7, 2, 0, 0, -5, -14, -5, 0, 0, 2, 7, 2, 0, 0, 0, 1, 0, 0],
    [-1, 0, 0, 0, 1, 0, 9, 0, -9, 0, 0, 0, 0, 0, 0, 0, -9, 0, 9, 0, 1, 0, 0, 0, -1],
    [0, 0, 0, 0, 0, 0, 2, -5, 2, 0, 1, 7, -14, 7, 1, 0, 2, -5, 2, 0, 0, 0, 0, 0, 0],
    [0, 0, 0, 0, 0, 0, 1, 0, -1, 0, 0, 2, 0, -2, 0, 0, 1, 0, -1, 0, 0, 0, 0, 0, 0],
    [0, 0, 0, 0, 0, 0, 1, -3, 1, 0, 0, 0, 0, 0, 0, 0, -1, 3, -1, 0, 0, 0, 0, 0, 0],
    [0, 0, 0, 0, 0, 0, 1, 0, -1, 0, 0, -3, 0, 3, 0, 0, 1, 0, -1, 0, 0, 0, 0, 0, 0],
    [0, 0, 0, 0, 0, 0, 1, 2, 1, 0, 0, 0, 0, 0, 0, 0, -1, -2, -1, 0, 0, 0, 0, 0, 0],
];

/// Weights of DC values for the DC value itself where no AC coefficient is known.
#[rustfmt::skip]
const DC: [i16; 25] = [
    -2, -6, -8, -6, -2, -6, 6, 42, 6, -6, -8, 42, 152, 42, -8, -6, 6, 42, 6, -6, -2, -6, -8, -6, -2,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flat_neighbourhoods_give_no_ac_and_keep_their_dc() {
        for weights in WITH_AC.iter().chain(&WITHOUT_AC) {
            assert_eq!(weights.iter().sum::<i16>(), 0);
        }
        assert_eq!(DC.iter().sum::<i16>(), 256);
    }
}
