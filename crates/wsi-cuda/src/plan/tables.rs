//! Huffman codes as the kernels look them up.

use wsi_jpeg::{ComponentParts, HuffmanCode};

use super::Refusal;
use crate::layout::TableSet;

/// The table set of a picture, and the table pair of each component.
///
/// # Errors
/// `TablePairs` for more than two pairs, `Quantisers` for quantisers of more than 8 bits.
pub(super) fn build(components: &[ComponentParts]) -> Result<(TableSet, [u32; 3]), Refusal> {
    let mut set = TableSet::default();
    let mut pairs: Vec<&ComponentParts> = Vec::new();
    let mut pair_of = [0; 3];
    for ((component, place), quantiser) in
        components.iter().zip(&mut pair_of).zip(&mut set.quantiser)
    {
        if component.quantisers.iter().any(|&value| value > 255) {
            return Err(Refusal::Quantisers);
        }
        *quantiser = component.quantisers;
        let known = pairs
            .iter()
            .position(|known| same(&known.dc, &component.dc) && same(&known.ac, &component.ac));
        *place = match known {
            Some(0) => 0,
            Some(_) => 1,
            None => {
                pairs.push(component);
                u32::from(pairs.len() > 1)
            }
        };
    }
    if pairs.len() > 2 {
        return Err(Refusal::TablePairs);
    }
    for (pair, component) in pairs.iter().enumerate() {
        enter(&mut set, pair, &component.dc);
        enter(&mut set, 2 + pair, &component.ac);
    }
    Ok((set, pair_of))
}

fn same(a: &HuffmanCode, b: &HuffmanCode) -> bool {
    a.counts() == b.counts() && a.symbols() == b.symbols()
}

/// Enters a code at place `at`: T.81 annex C, justified to 16 bits as in figure F.16.
fn enter(set: &mut TableSet, at: usize, code: &HuffmanCode) {
    set.symbol[at] = *code.symbols();
    let (mut next, mut index) = (0_u32, 0_usize);
    for (length, &count) in (1_u32..).zip(code.counts()) {
        if length >= 10 {
            let place = length as usize - 9;
            // Both are below 2^16, since the code has been checked.
            set.offset[at][place] = i32::try_from(index).unwrap_or(0) - next.cast_signed();
        }
        for _ in 0..count {
            let symbol = set.symbol[at].get(index).copied().unwrap_or(0);
            if length <= 9 {
                let (first, many) = (next << (9 - length), 1_usize << (9 - length));
                let entry = u16::from(symbol) | u16::try_from(length << 8).unwrap_or(0);
                let entries = set.first[at].iter_mut();
                entries
                    .skip(first as usize)
                    .take(many)
                    .for_each(|place| *place = entry);
            }
            next += 1;
            index += 1;
        }
        if length >= 10 {
            set.limit[at][length as usize - 9] = next << (16 - length);
        }
        next <<= 1;
    }
}
