//! Launching a kernel by its name, with checks that a device does not make.

use super::fibers::{self, Launch, Lot};
use super::library::{Entry, Kernels};
use super::memory::Memory;

/// The most lanes that a block of CUDA may have.
const LANES: u32 = 1024;

/// A value for a kernel's parameter.
#[derive(Clone, Copy, Debug)]
pub(super) enum Value<'a> {
    /// A place in memory.
    Memory(&'a Memory, usize),
    /// An integer, signed or not.
    Number(u32),
}

/// Runs a kernel for all blocks of a grid, in an order that follows from the seed: the blocks and
/// lanes as they are numbered if there is none. The error says what the launch or the kernel did wrong.
pub(super) fn launch(
    name: &str,
    grid: (u32, u32),
    block: u32,
    values: &[Value<'_>],
    seed: Option<u64>,
) -> Result<(), String> {
    let mut kernels = Kernels::take();
    let entry = kernels
        .find(name)
        .ok_or_else(|| format!("there is no kernel {name}"))?;
    if !(1..=LANES).contains(&block) || grid.0 == 0 || grid.1 == 0 {
        return Err(format!(
            "{name}: a grid of {} x {} blocks of {block} lanes",
            grid.0, grid.1
        ));
    }
    let pointers = entry.pointers();
    if pointers.len() != values.len() {
        return Err(format!(
            "{name} takes {} arguments, not {}",
            pointers.len(),
            values.len()
        ));
    }
    let arguments =
        values
            .iter()
            .zip(pointers)
            .enumerate()
            .map(|(index, (value, pointer))| match (value, pointer) {
                (Value::Memory(memory, offset), true) => {
                    let address = memory.address(*offset);
                    let address = address.ok_or_else(|| {
                        format!(
                            "{name}: argument {index} lies behind its {} bytes",
                            memory.len()
                        )
                    })?;
                    Ok(address.expose_provenance() as u64)
                }
                (Value::Number(number), false) => Ok(u64::from(*number)),
                (Value::Memory(..), false) => Err(format!("{name}: argument {index} is a number")),
                (Value::Number(_), true) => Err(format!("{name}: argument {index} is a pointer")),
            });
    let arguments = arguments.collect::<Result<Vec<u64>, String>>()?;

    // SAFETY: pointers go where the kernel takes pointers, numbers where it takes numbers, and the
    // memory is borrowed until all lanes have ended. That the kernel stays within it is what the zones
    // around it and the sanitizer check.
    unsafe { run(&mut kernels, name, entry, &arguments, grid, block, seed) }?;
    for (index, value) in values.iter().enumerate() {
        if let Value::Memory(memory, _) = value
            && let Some(place) = memory.damage()
        {
            let len = memory.len();
            return Err(format!(
                "{name} wrote outside argument {index}: at {place} of {len} bytes"
            ));
        }
    }
    Ok(())
}

/// Runs a kernel for all blocks of a grid.
///
/// # Safety
/// As [`fibers::run_block`].
unsafe fn run(
    kernels: &mut Kernels,
    name: &str,
    entry: &Entry,
    arguments: &[u64],
    grid: (u32, u32),
    block: u32,
    seed: Option<u64>,
) -> Result<(), String> {
    let launch = Launch {
        run: entry.run(),
        arguments,
        grid,
        block,
    };
    let mut lot = seed.map(Lot::new);
    for (column, row) in blocks(grid, lot.as_mut()) {
        let pattern = lot.as_mut().map_or(0xBAAD_F00D, Lot::draw) | 0x8080_8080;
        kernels.spoil(pattern);
        // SAFETY: what the caller has promised.
        unsafe { fibers::run_block(kernels, &launch, (column, row), lot.as_mut()) }
            .map_err(|why| format!("{name}, block ({column}, {row}): {why}"))?;
    }
    Ok(())
}

/// Runs a kernel as a driver would, with pointers to its arguments.
///
/// # Safety
/// There must be as many pointers as the kernel has parameters, to values of their types, and memory
/// where they point to.
#[cfg(test)]
pub(super) unsafe fn launch_raw(
    name: &str,
    grid: (u32, u32),
    block: u32,
    parameters: *const *const u64,
    seed: Option<u64>,
) -> Result<(), String> {
    let mut kernels = Kernels::take();
    let entry = kernels
        .find(name)
        .ok_or_else(|| format!("there is no kernel {name}"))?;
    let arguments = entry.pointers().enumerate().map(|(index, pointer)| {
        // SAFETY: what the caller has promised; a number has 4 bytes.
        unsafe {
            let value = *parameters.add(index);
            if pointer {
                value.read_unaligned()
            } else {
                u64::from(value.cast::<u32>().read())
            }
        }
    });
    let arguments: Vec<u64> = arguments.collect();
    // SAFETY: what the caller has promised.
    unsafe { run(&mut kernels, name, entry, &arguments, grid, block, seed) }
}

/// The blocks of a grid, column and row, shuffled if there is a lot.
fn blocks(grid: (u32, u32), lot: Option<&mut Lot>) -> Vec<(u32, u32)> {
    let rows = 0..grid.1;
    let mut blocks: Vec<_> = rows
        .flat_map(|row| (0..grid.0).map(move |column| (column, row)))
        .collect();
    if let Some(lot) = lot {
        for last in (1..blocks.len()).rev() {
            blocks.swap(last, lot.below(last + 1));
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    fn memory_of(values: &[u32]) -> Memory {
        let bytes: Vec<u8> = values
            .iter()
            .flat_map(|value| value.to_le_bytes())
            .collect();
        let memory = Memory::new(bytes.len()).unwrap();
        assert!(memory.write(0, &bytes));
        memory
    }

    fn words_of(memory: &Memory) -> Vec<u32> {
        let mut bytes = vec![0; memory.len()];
        assert!(memory.read(0, &mut bytes));
        let words = bytes.chunks_exact(4);
        words
            .map(|word| u32::from_le_bytes(word.try_into().unwrap()))
            .collect()
    }

    fn numbers(count: u32) -> Vec<u32> {
        (0..count)
            .map(|i| i.wrapping_mul(2_654_435_761) % 1000)
            .collect()
    }

    /// Seeds, and the order of the numbers.
    fn orders() -> impl Iterator<Item = Option<u64>> {
        std::iter::once(None).chain((0..20).map(Some))
    }

    #[test]
    fn a_barrier_is_waited_at_in_any_order() {
        for (block, seed) in [1, 31, 32, 33, 256, 1024]
            .into_iter()
            .flat_map(|b| orders().map(move |s| (b, s)))
        {
            let values = numbers(3 * block);
            let (from, to) = (memory_of(&values), memory_of(&vec![0; values.len()]));
            let arguments = [
                Value::Memory(&from, 0),
                Value::Memory(&to, 0),
                Value::Number(1),
            ];
            launch("wsi_test_reverse", (3, 1), block, &arguments, seed).unwrap();
            let blocks = values.chunks_exact(block as usize);
            let expected: Vec<u32> = blocks
                .flat_map(|block| block.iter().rev().copied())
                .collect();
            assert_eq!(words_of(&to), expected, "{block} lanes, seed {seed:?}");
        }
    }

    #[test]
    fn a_barrier_that_is_missing_is_seen_by_its_result() {
        let values = numbers(64);
        let expected: Vec<u32> = values.iter().rev().copied().collect();
        for seed in orders() {
            let (from, to) = (memory_of(&values), memory_of(&[0; 64]));
            let arguments = [
                Value::Memory(&from, 0),
                Value::Memory(&to, 0),
                Value::Number(0),
            ];
            launch("wsi_test_reverse", (1, 1), 64, &arguments, seed).unwrap();
            assert_ne!(words_of(&to), expected, "seed {seed:?}");
        }
    }

    #[test]
    fn shuffles_and_votes_are_those_of_the_warp() {
        for (block, seed) in [32, 64, 160]
            .into_iter()
            .flat_map(|b| orders().map(move |s| (b, s)))
        {
            let mut values = numbers(block);
            values[33 % block as usize] = 77;
            let (from, to) = (memory_of(&values), memory_of(&vec![0; 10 * values.len()]));
            let arguments = [Value::Memory(&from, 0), Value::Memory(&to, 0)];
            launch("wsi_test_warp", (1, 1), block, &arguments, seed).unwrap();
            let words = words_of(&to);
            for (index, got) in words.chunks_exact(10).enumerate() {
                let warp = &values[index / 32 * 32..][..32];
                let i = index % 32;
                let odd = |lanes: std::ops::Range<usize>| -> u32 {
                    lanes.map(|lane| (warp[lane] & 1) << lane).sum()
                };
                let half: u32 = if i < 16 { 0xAAAA } else { 0xAAAA_0000 };
                let expected = [
                    warp[5],
                    warp[if i < 3 { i } else { i - 3 }],
                    warp[if i + 7 > 31 { i } else { i + 7 }],
                    warp[i ^ 9],
                    warp[i / 8 * 8 + 1],
                    odd(0..32),
                    u32::from(warp.contains(&77)),
                    1,
                    warp.iter().sum(),
                    half.wrapping_add(if i < 16 { 0 } else { 0xFFFF_0000 }),
                ];
                assert_eq!(got, expected, "lane {index} of {block}, seed {seed:?}");
            }
        }
    }

    #[test]
    fn votes_of_a_block_count_the_lanes_that_are_left() {
        for seed in orders() {
            let mut values = numbers(3 * 96);
            values[96..192].fill(3);
            values[192..].fill(4);
            let (from, to) = (memory_of(&values), memory_of(&[0; 12]));
            let arguments = [Value::Memory(&from, 0), Value::Memory(&to, 0)];
            launch("wsi_test_votes", (3, 1), 96, &arguments, seed).unwrap();
            let left = values[..96].iter().enumerate().filter(|(i, _)| i % 4 != 3);
            let odd = left.map(|(_, value)| value & 1).sum();
            assert_eq!(
                words_of(&to),
                [1, 0, odd, odd, 1, 1, 72, 72, 0, 0, 0, 0],
                "seed {seed:?}"
            );
        }
    }

    #[test]
    fn lanes_that_wait_for_each_other_in_vain_are_an_error() {
        for seed in orders() {
            let to = memory_of(&[0; 40]);
            let error = launch("wsi_test_stuck", (1, 1), 40, &[Value::Memory(&to, 0)], seed);
            // The second warp has nobody at the barrier, so that its vote is answered.
            assert_eq!(
                error.unwrap_err(),
                "wsi_test_stuck, block (0, 0): 32 of 40 lanes wait in vain: lane 0 at a barrier of \
                 the block, lane 8 at a vote of lanes ffffffff"
            );
        }
        // The thread is as good as before.
        a_barrier_is_waited_at_in_any_order();
    }

    #[test]
    fn a_shuffle_that_asks_a_lane_outside_is_an_error() {
        let to = memory_of(&[0; 32]);
        let error = launch(
            "wsi_test_absent",
            (1, 1),
            32,
            &[Value::Memory(&to, 0)],
            Some(7),
        );
        let error = error.unwrap_err();
        assert!(
            error.contains("asks lane 20 of its warp, which takes no part"),
            "{error}"
        );
    }

    #[test]
    fn lanes_know_their_places() {
        for seed in orders() {
            let to = memory_of(&[0; 5 * 6 * 4]);
            launch("wsi_test_places", (3, 2), 4, &[Value::Memory(&to, 0)], seed).unwrap();
            let places = (0..24).flat_map(|i| [i / 4 % 3, i / 12, i % 4, 4, 2]);
            assert_eq!(words_of(&to), places.collect::<Vec<u32>>());
        }
    }

    #[test]
    fn shared_memory_holds_nothing_of_the_block_before() {
        for seed in orders() {
            let to = memory_of(&[0; 64]);
            launch(
                "wsi_test_unwritten",
                (4, 1),
                64,
                &[Value::Memory(&to, 0)],
                seed,
            )
            .unwrap();
            assert!(words_of(&to).iter().all(|&word| word > 1));
        }
    }

    #[test]
    #[cfg(not(wsi_host_sanitize))]
    fn a_kernel_that_writes_outside_is_an_error() {
        for place in [-1, 64, 100, -4000] {
            let to = Memory::new(64).unwrap();
            let arguments = [
                Value::Memory(&to, 0),
                Value::Number(i32::cast_unsigned(place)),
            ];
            let error = launch("wsi_test_store", (1, 1), 1, &arguments, None).unwrap_err();
            let expected =
                format!("wsi_test_store wrote outside argument 0: at {place} of 64 bytes");
            assert_eq!(error, expected);
        }
        let to = Memory::new(64).unwrap();
        for place in [0, 63] {
            launch(
                "wsi_test_store",
                (1, 1),
                1,
                &[Value::Memory(&to, 0), Value::Number(place)],
                None,
            )
            .unwrap();
        }
    }

    /// Only what the sanitizer must stop; run by the test below.
    #[test]
    #[ignore = "ends the process"]
    #[cfg(wsi_host_sanitize)]
    fn one_byte_too_far() {
        let to = Memory::new(64).unwrap();
        let arguments = [Value::Memory(&to, 0), Value::Number(64)];
        drop(launch("wsi_test_store", (1, 1), 1, &arguments, None));
    }

    #[test]
    #[cfg(wsi_host_sanitize)]
    fn the_sanitizer_stops_a_kernel_that_goes_outside() {
        let test = "device::host::launch::tests::one_byte_too_far";
        let child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", test, "--ignored"])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&child.stderr);
        assert!(
            !child.status.success() && said.contains("heap-buffer-overflow"),
            "{said}"
        );
    }

    #[test]
    fn arguments_that_do_not_fit_are_refused() {
        let to = memory_of(&[0; 4]);
        let refused = |name, grid, block, arguments: &[Value<'_>]| {
            launch(name, grid, block, arguments, None).unwrap_err()
        };
        let place = Value::Memory(&to, 0);
        assert_eq!(
            refused("wsi_none", (1, 1), 1, &[]),
            "there is no kernel wsi_none"
        );
        let store = "wsi_test_store";
        assert_eq!(
            refused(store, (1, 1), 1, &[place]),
            "wsi_test_store takes 2 arguments, not 1"
        );
        assert!(refused(store, (1, 1), 1, &[place, place]).contains("argument 1 is a number"));
        let numbers = [Value::Number(0), Value::Number(0)];
        assert!(refused(store, (1, 1), 1, &numbers).contains("argument 0 is a pointer"));
        let behind = [Value::Memory(&to, 17), Value::Number(0)];
        assert!(refused(store, (1, 1), 1, &behind).contains("behind its 16 bytes"));
        let fitting = [place, Value::Number(0)];
        for (grid, block) in [((0, 1), 1), ((1, 0), 1), ((1, 1), 0), ((1, 1), 1025)] {
            assert!(refused(store, grid, block, &fitting).contains("a grid of"));
        }
    }

    #[test]
    fn threads_run_kernels_side_by_side() {
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(shuffles_and_votes_are_those_of_the_warp);
                scope.spawn(a_barrier_is_waited_at_in_any_order);
            }
        });
    }
}
