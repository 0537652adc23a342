//! Huffman codes for counts, no longer than asked for.

/// The lengths of the codes of a Huffman code for these counts, none longer than `longest` bits:
/// 0 where the count is 0. A single symbol gets a code of one bit.
///
/// Lengths that are too long are shortened, and the codes that pay least for it made longer, until
/// the Kraft sum is 1 again.
pub(crate) fn lengths(counts: &[u32], longest: usize, out: &mut [u8]) {
    out.fill(0);
    // Count and symbol in one number, which sorts fastest.
    let mut symbols: Vec<u64> = (0_u64..)
        .zip(counts)
        .filter(|&(_, &count)| count > 0)
        .map(|(symbol, &count)| u64::from(count) << SYMBOL_BITS | symbol)
        .collect();
    symbols.sort_unstable();
    let symbol = |entry: u64| (entry & ((1 << SYMBOL_BITS) - 1)) as usize;
    match symbols[..] {
        [] => return,
        [only] => {
            out[symbol(only)] = 1;
            return;
        }
        _ => {}
    }
    let mut numbers = numbers_of_lengths(&symbols);
    limit(&mut numbers, longest);
    // The rarest get the longest.
    let mut rarest = symbols.iter();
    for (length, &number) in numbers.iter().enumerate().rev() {
        for &entry in rarest.by_ref().take(number) {
            #[expect(clippy::cast_possible_truncation, reason = "at most 15 once limited")]
            {
                out[symbol(entry)] = length as u8;
            }
        }
    }
}

/// Bits of a symbol's number.
const SYMBOL_BITS: u32 = 16;

/// How many codes have each length, from counts in ascending order (two queues: Van Leeuwen 1976).
fn numbers_of_lengths(symbols: &[u64]) -> Vec<usize> {
    let leaves = symbols.len();
    let mut weights = Vec::with_capacity(2 * leaves);
    weights.extend(symbols.iter().map(|entry| entry >> SYMBOL_BITS));
    let mut parents = vec![0; 2 * leaves - 1];
    let (mut leaf, mut inner) = (0, leaves);
    for node in leaves..2 * leaves - 1 {
        let mut weight = 0;
        for _ in 0..2 {
            let takes_leaf = leaf < leaves && (inner >= node || weights[leaf] <= weights[inner]);
            let child = if takes_leaf { &mut leaf } else { &mut inner };
            weight += weights[*child];
            parents[*child] = node;
            *child += 1;
        }
        weights.push(weight);
    }
    let mut depths = vec![0_usize; 2 * leaves - 1];
    let mut numbers = Vec::new();
    for node in (0..2 * leaves - 2).rev() {
        let depth = depths[parents[node]] + 1;
        depths[node] = depth;
        if node < leaves {
            if numbers.len() <= depth {
                numbers.resize(depth + 1, 0);
            }
            numbers[depth] += 1;
        }
    }
    numbers
}

/// Moves codes until none is longer than `longest` and the Kraft sum is 1.
fn limit(numbers: &mut Vec<usize>, longest: usize) {
    if numbers.len() <= longest + 1 {
        return;
    }
    let too_long: usize = numbers[longest + 1..].iter().sum();
    numbers.truncate(longest + 1);
    numbers[longest] += too_long;
    let space = 1_usize << longest;
    let used = |numbers: &[usize]| -> usize {
        numbers
            .iter()
            .enumerate()
            .skip(1)
            .map(|(length, number)| number << (longest - length))
            .sum()
    };
    // Each step takes one unit of the longest length away from what is used too much: a code of the
    // longest length and one shorter become two, one longer than the shorter was.
    for _ in space..used(numbers) {
        let from = (1..longest).rev().find(|&length| numbers[length] > 0);
        let Some(from) = from else { return };
        numbers[longest] -= 1;
        numbers[from] -= 1;
        numbers[from + 1] += 2;
    }
}

/// The codes of a canonical Huffman code (RFC 1951 3.2.2), first bit in the lowest place.
pub(crate) fn codes<const N: usize>(lengths: &[u8; N]) -> [u16; N] {
    let mut numbers = [0_u16; 16];
    for &length in lengths {
        numbers[usize::from(length & 15)] += 1;
    }
    numbers[0] = 0;
    let mut next = [0_u16; 16];
    for length in 1..16 {
        next[length] = (next[length - 1] + numbers[length - 1]) << 1;
    }
    let mut codes = [0; N];
    for (code, &length) in codes.iter_mut().zip(lengths) {
        if length > 0 {
            let slot = &mut next[usize::from(length & 15)];
            *code = slot.reverse_bits() >> (16 - length);
            *slot = slot.wrapping_add(1);
        }
    }
    codes
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kraft(lengths: &[u8]) -> f64 {
        let part = |&length: &u8| 0.5_f64.powi(length.into());
        lengths.iter().filter(|&&length| length > 0).map(part).sum()
    }

    #[test]
    fn steep_counts_are_limited() {
        let mut counts = [0_u32; 40];
        let (mut a, mut b) = (1_u32, 1_u32);
        for count in &mut counts {
            *count = a;
            (a, b) = (b, a.saturating_add(b));
        }
        let mut limited = [0; 40];
        lengths(&counts, 12, &mut limited);
        assert!(limited.iter().all(|&length| (1..=12).contains(&length)));
        assert!((kraft(&limited) - 1.0).abs() < 1e-12);
        assert!(
            limited.is_sorted_by(|a, b| a >= b),
            "the rarest are the longest"
        );
    }

    #[test]
    fn one_symbol_takes_a_bit() {
        let mut one = [9; 5];
        lengths(&[0, 0, 7, 0, 0], 12, &mut one);
        assert_eq!(one, [0, 0, 1, 0, 0]);
    }

    /// RFC 1951 3.2.2, the example.
    #[test]
    fn codes_are_those_of_the_specification() {
        let codes = codes(&[3, 3, 3, 3, 3, 2, 4, 4]);
        let written = ["010", "011", "100", "101", "110", "00", "1110", "1111"];
        let lengths = [3, 3, 3, 3, 3, 2, 4, 4];
        for ((code, length), written) in codes.iter().zip(lengths).zip(written) {
            let bits = format!("{:016b}", code.reverse_bits());
            assert!(bits.starts_with(written));
            assert_eq!(written.len(), length);
        }
    }

    proptest! {
        #[test]
        fn codes_are_complete_and_short_enough(
            counts in prop::collection::vec(prop_oneof![Just(0_u32), 1..100_000_u32, 1..4_u32], 286),
            longest in 9..=15_usize,
        ) {
            let mut found = vec![0; counts.len()];
            lengths(&counts, longest, &mut found);
            let used = counts.iter().filter(|&&count| count > 0).count();
            prop_assert!(found.iter().all(|&length| usize::from(length) <= longest));
            for (count, length) in counts.iter().zip(&found) {
                prop_assert_eq!(*count > 0, *length > 0);
            }
            if used > 1 {
                prop_assert!((kraft(&found) - 1.0).abs() < 1e-12);
            }
        }
    }
}
