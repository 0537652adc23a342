//! Tables of RFC 1951.

/// Literals, end of block, lengths (3.2.5).
pub(crate) const SYMBOLS: usize = 286;

/// The code of the end of a block (3.2.5).
pub(crate) const END: usize = 256;

/// The longest match (3.2.5).
pub(crate) const LONGEST: usize = 258;

/// Base and extra bits of the length codes 257 to 285 (3.2.5).
#[rustfmt::skip]
pub(crate) const LENGTHS: [(u16, u8); 29] = [
    (3, 0), (4, 0), (5, 0), (6, 0), (7, 0), (8, 0), (9, 0), (10, 0), (11, 1), (13, 1),
    (15, 1), (17, 1), (19, 2), (23, 2), (27, 2), (31, 2), (35, 3), (43, 3), (51, 3), (59, 3),
    (67, 4), (83, 4), (99, 4), (115, 4), (131, 5), (163, 5), (195, 5), (227, 5), (258, 0),
];

/// Which entry of [`LENGTHS`] a match of each length has.
pub(crate) const LENGTH_CODE: [u8; LONGEST + 1] = length_codes();

/// The order of the lengths of the code of code lengths (3.2.7).
#[rustfmt::skip]
pub(crate) const ORDER: [usize; 19] = [
    16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15,
];

const fn length_codes() -> [u8; LONGEST + 1] {
    let mut codes = [0; LONGEST + 1];
    let mut code = 0;
    while code < LENGTHS.len() {
        let mut length = LENGTHS[code].0 as usize;
        // A length of 258 has a code of its own, though the one before it reaches as far.
        while length <= LONGEST {
            #[expect(clippy::cast_possible_truncation, reason = "less than 29")]
            {
                codes[length] = code as u8;
            }
            length += 1;
        }
        code += 1;
    }
    codes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_length_lies_in_the_range_of_its_code() {
        for length in 3..=LONGEST {
            let (base, extra) = LENGTHS[usize::from(LENGTH_CODE[length])];
            let offset = length - usize::from(base);
            assert!(offset < 1 << extra, "{length}");
        }
        assert_eq!(LENGTH_CODE[257], 27);
        assert_eq!(LENGTH_CODE[258], 28);
    }
}
