//! Random orders that are the same everywhere.

/// The numbers below `count` in a random order (Fisher and Yates, with splitmix64 of Steele, Lea
/// and Flood 2014 from this seed).
pub(super) fn shuffled(count: usize, seed: u64) -> Vec<usize> {
    let mut state = seed;
    let mut order: Vec<usize> = (0..count).collect();
    for last in (1..count).rev() {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = state;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^= z >> 31;
        // The upper half of the product: a number in 0..=last.
        let product = u128::from(z) * (last as u128 + 1);
        let other = usize::try_from(product >> 64).unwrap_or(last);
        order.swap(last, other);
    }
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_holds_every_number_once_and_follows_from_its_seed() {
        for count in [0, 1, 2, 1000] {
            let mut order = shuffled(count, 5);
            assert_eq!(order, shuffled(count, 5));
            order.sort_unstable();
            assert!(order.into_iter().eq(0..count));
        }
        assert_ne!(shuffled(1000, 5), shuffled(1000, 6));
    }

    #[test]
    fn every_place_is_as_likely_as_any_other() {
        let mut first = [0; 10];
        for seed in 0..10_000 {
            first[shuffled(10, seed)[0]] += 1;
        }
        assert!(
            first.iter().all(|times| (850..1150).contains(times)),
            "{first:?}"
        );
    }
}
