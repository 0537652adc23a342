//! One block of a launch: its lanes as fibers of this thread.
//!
//! A lane runs until it stops at a barrier, a shuffle or a vote; what it stops for is answered when
//! every lane that takes part has come there. Which lane runs next is drawn by lot, so that a kernel
//! which needs a barrier and has none sees its lanes in an order that it did not expect. Lanes that
//! have returned take part in nothing, as on devices of compute capability 7.0 and later.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::ptr;

use corosensei::stack::DefaultStack;
use corosensei::{Coroutine, CoroutineResult, Yielder};

use super::library::{Dim, Kernels, Run, State};

/// Bytes of a lane's stack: kernels keep arrays of some hundred bytes, sanitizers multiply them.
const STACK: usize = 256 << 10;
/// Lanes of a warp.
const WARP: usize = 32;

/// Why a lane stopped; the numbers are those of shim.h.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    /// Waits for the lanes of the block, and counts those that say yes.
    Block,
    /// Waits for the lanes of the mask.
    Warp,
    /// Gets the value that another lane of the mask gives.
    Shuffle,
    /// Learns which lanes of the mask say yes.
    Ballot,
}

/// What a lane stopped for.
#[derive(Clone, Copy, Debug)]
struct Request {
    reason: Reason,
    mask: u32,
    value: u64,
    source: u32,
}

type Fiber = Coroutine<u64, Request, (), DefaultStack>;
type Own = Yielder<u64, Request>;

enum Lane {
    New,
    /// Can go on, with this answer.
    Ready(Fiber, u64),
    Stopped(Fiber, Request),
    Running,
    Returned,
}

thread_local! {
    /// Stacks of lanes that have returned.
    static STACKS: RefCell<Vec<DefaultStack>> = const { RefCell::new(Vec::new()) };
    /// By what the lane that runs stops.
    static OWN: Cell<*const Own> = const { Cell::new(ptr::null()) };
}

/// Numbers by lot, the same for the same seed: xorshift64*.
#[derive(Clone, Debug)]
pub(super) struct Lot(u64);

impl Lot {
    pub(super) fn new(seed: u64) -> Self {
        // The state must not be 0, and neighbouring seeds must not give neighbouring numbers.
        let state = seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        Self(state.max(1))
    }

    pub(super) fn draw(&mut self) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let [.., a, b, c, d] = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D).to_le_bytes();
        u32::from_le_bytes([a, b, c, d])
    }

    /// A number below `bound`, 0 if that is 0.
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.draw() as usize % bound.max(1)
    }
}

/// What all the lanes of a launch share.
pub(super) struct Launch<'a> {
    pub(super) run: Run,
    pub(super) arguments: &'a [u64],
    pub(super) grid: (u32, u32),
    pub(super) block: u32,
}

/// Runs a block to its end; in ascending order of its lanes, as far as they need not wait, if there
/// is no lot to draw. The error says who waits for whom in vain.
///
/// # Safety
///
/// The arguments must be those that the kernel takes: pointers to memory in which all that it
/// touches lies, where it takes pointers.
pub(super) unsafe fn run_block(
    kernels: &mut Kernels,
    launch: &Launch<'_>,
    block: (u32, u32),
    lot: Option<&mut Lot>,
) -> Result<(), String> {
    let mut lanes = Lanes::new(launch.block);
    let mut lot = lot;
    while let Some(index) = lanes.draw(lot.as_deref_mut()) {
        // Set anew for each lane: the others have run meanwhile.
        kernels.set(State {
            thread: Dim {
                x: index,
                y: 0,
                z: 0,
            },
            block: Dim {
                x: block.0,
                y: block.1,
                z: 0,
            },
            block_size: Dim {
                x: launch.block,
                y: 1,
                z: 1,
            },
            grid_size: Dim {
                x: launch.grid.0,
                y: launch.grid.1,
                z: 1,
            },
            stop,
        });
        lanes.resume(index as usize, launch)?;
    }
    lanes.all_have_returned()
}

/// The lanes of a block.
struct Lanes {
    lanes: Vec<Lane>,
    /// Those that can run; the next of them in ascending order is the last.
    ready: Vec<u32>,
    /// How many have returned, and how many have stopped at a barrier of the block.
    returned: usize,
    at_barrier: usize,
    /// For each warp, those that can no longer come to a stop: absent, returned.
    gone: Vec<u32>,
    /// For each warp, those that have stopped for others of the warp.
    stopped: Vec<u32>,
}

impl Lanes {
    fn new(count: u32) -> Self {
        let lanes = count as usize;
        let warps = lanes.div_ceil(WARP);
        let mut gone = vec![0; warps];
        if let (Some(last), 1..) = (gone.last_mut(), lanes % WARP) {
            *last = u32::MAX << (lanes % WARP);
        }
        Self {
            lanes: std::iter::repeat_with(|| Lane::New).take(lanes).collect(),
            ready: (0..count).rev().collect(),
            returned: 0,
            at_barrier: 0,
            gone,
            stopped: vec![0; warps],
        }
    }

    fn draw(&mut self, lot: Option<&mut Lot>) -> Option<u32> {
        if let Some(lot) = lot {
            let drawn = lot.below(self.ready.len());
            let last = self.ready.len().saturating_sub(1);
            if drawn < last {
                self.ready.swap(drawn, last);
            }
        }
        self.ready.pop()
    }

    /// Runs a lane to its next stop, and answers what that completes.
    fn resume(&mut self, index: usize, launch: &Launch<'_>) -> Result<(), String> {
        let (mut fiber, answer) = match std::mem::replace(&mut self.lanes[index], Lane::Running) {
            Lane::New => (begin(launch)?, 0),
            Lane::Ready(fiber, answer) => (fiber, answer),
            other => {
                self.lanes[index] = other;
                return Err(format!("lane {index} was to run and cannot"));
            }
        };
        match fiber.resume(answer) {
            CoroutineResult::Yield(request) => {
                self.lanes[index] = Lane::Stopped(fiber, request);
                self.stop(index, request)
            }
            CoroutineResult::Return(()) => {
                self.lanes[index] = Lane::Returned;
                keep(fiber.into_stack());
                self.leave(index)
            }
        }
    }

    /// A lane has stopped.
    fn stop(&mut self, index: usize, request: Request) -> Result<(), String> {
        let (warp, bit) = (index / WARP, 1_u32 << (index % WARP));
        if request.reason == Reason::Block {
            self.at_barrier += 1;
            self.open_barrier();
            return Ok(());
        }
        if request.mask & bit == 0 {
            return Err(format!(
                "lane {index} is not in the mask that it gives: {request}"
            ));
        }
        self.stopped[warp] |= bit;
        self.answer(warp, request)
    }

    /// A lane has returned: what waited for it alone goes on.
    fn leave(&mut self, index: usize) -> Result<(), String> {
        let warp = index / WARP;
        self.gone[warp] |= 1 << (index % WARP);
        self.returned += 1;
        self.open_barrier();
        for bit in bits(self.stopped[warp]) {
            if let Lane::Stopped(_, request) = self.lanes[warp * WARP + bit] {
                self.answer(warp, request)?;
            }
        }
        Ok(())
    }

    /// Lets all go on if all have come to a barrier of the block.
    fn open_barrier(&mut self) {
        if self.at_barrier == 0 || self.at_barrier + self.returned < self.lanes.len() {
            return;
        }
        let yes = self.lanes.iter().filter(|lane| match lane {
            Lane::Stopped(_, request) => request.value != 0,
            _ => false,
        });
        let yes = yes.count() as u64;
        let answer = yes | (self.at_barrier as u64 - yes) << 32;
        self.at_barrier = 0;
        for index in (0..self.lanes.len()).rev() {
            self.go_on(index, answer);
        }
    }

    /// Lets the lanes of a request go on if all of them have come.
    fn answer(&mut self, warp: usize, request: Request) -> Result<(), String> {
        let all = request.mask & !self.gone[warp];
        if all & !self.stopped[warp] != 0 {
            return Ok(());
        }
        let mut values = [0; WARP];
        let mut yes = 0;
        for bit in bits(all) {
            match self.lanes[warp * WARP + bit] {
                Lane::Stopped(_, theirs)
                    if theirs.reason == request.reason && theirs.mask == request.mask =>
                {
                    values[bit] = theirs.value;
                    yes |= u64::from(theirs.value != 0) << bit;
                }
                // It waits for something else, and so all do.
                _ => return Ok(()),
            }
        }
        for bit in bits(all).rev() {
            let index = warp * WARP + bit;
            let Lane::Stopped(_, theirs) = self.lanes[index] else {
                continue;
            };
            let answer = match theirs.reason {
                Reason::Block | Reason::Warp => 0,
                Reason::Ballot => yes,
                Reason::Shuffle => {
                    let source = theirs.source as usize;
                    if source >= WARP || all >> source & 1 == 0 {
                        return Err(format!(
                            "lane {index} asks lane {source} of its warp, which takes no part: {theirs}"
                        ));
                    }
                    values[source]
                }
            };
            self.go_on(index, answer);
        }
        self.stopped[warp] &= !all;
        Ok(())
    }

    fn go_on(&mut self, index: usize, answer: u64) {
        let lane = std::mem::replace(&mut self.lanes[index], Lane::Running);
        self.lanes[index] = match lane {
            Lane::Stopped(fiber, _) => {
                // A launch has at most as many lanes as a u32 counts.
                self.ready.extend(u32::try_from(index));
                Lane::Ready(fiber, answer)
            }
            other => other,
        };
    }

    fn all_have_returned(&self) -> Result<(), String> {
        if self.returned == self.lanes.len() {
            return Ok(());
        }
        let waiting = self
            .lanes
            .iter()
            .enumerate()
            .filter_map(|(index, lane)| match lane {
                Lane::Stopped(_, request) => Some(format!("lane {index} at {request}")),
                _ => None,
            });
        // The first, and those that wait for something else than the lane before.
        let mut waiting: Vec<_> = waiting.collect();
        waiting.dedup_by(|one, before| {
            let what = |text: &str| text.split_once(" at ").map(|(_, what)| what.to_owned());
            what(one) == what(before)
        });
        waiting.truncate(8);
        Err(format!(
            "{} of {} lanes wait in vain: {}",
            self.lanes.len() - self.returned,
            self.lanes.len(),
            waiting.join(", ")
        ))
    }
}

impl Drop for Lanes {
    fn drop(&mut self) {
        for lane in self.lanes.drain(..) {
            if let Lane::Ready(mut fiber, _) | Lane::Stopped(mut fiber, _) = lane {
                // SAFETY: what lies on its stack are frames of a kernel, which has no destructors
                // to run, of `stop` and of the closure of `begin`, which own nothing.
                unsafe { fiber.force_reset() };
                keep(fiber.into_stack());
            }
        }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.reason {
            Reason::Block => f.write_str("a barrier of the block"),
            Reason::Warp => write!(f, "a barrier of lanes {:08x}", self.mask),
            Reason::Shuffle => write!(f, "a shuffle of lanes {:08x}", self.mask),
            Reason::Ballot => write!(f, "a vote of lanes {:08x}", self.mask),
        }
    }
}

/// A lane that has not begun.
fn begin(launch: &Launch<'_>) -> Result<Fiber, String> {
    let stack = match STACKS.with_borrow_mut(Vec::pop) {
        Some(stack) => stack,
        None => {
            DefaultStack::new(STACK).map_err(|error| format!("no stack for a lane: {error}"))?
        }
    };
    let (run, arguments) = (launch.run, launch.arguments.as_ptr());
    Ok(Coroutine::with_stack(stack, move |own: &Own, _: u64| {
        OWN.set(own);
        // SAFETY: the caller of `run_block` has promised that the arguments fit; they outlive the
        // lane, which ends or is reset before `run_block` returns.
        unsafe { run(arguments) }
    }))
}

fn keep(stack: DefaultStack) {
    STACKS.with_borrow_mut(|stacks| stacks.push(stack));
}

/// Stops the lane that calls it until its request is answered. Called by the kernels.
unsafe extern "C" fn stop(reason: u32, mask: u32, value: u64, source: u32) -> u64 {
    let reason = match reason {
        0 => Reason::Block,
        1 => Reason::Warp,
        2 => Reason::Shuffle,
        _ => Reason::Ballot,
    };
    let own = OWN.get();
    // SAFETY: the lane that runs is the one that set `OWN`, in its closure when it began or below
    // when it went on; what it points to lives on the lane's stack.
    let answer = unsafe { &*own }.suspend(Request {
        reason,
        mask,
        value,
        source,
    });
    OWN.set(own);
    answer
}

/// The places of the bits that are set, from the lowest.
fn bits(mask: u32) -> impl DoubleEndedIterator<Item = usize> {
    (0..WARP).filter(move |&bit| mask >> bit & 1 != 0)
}
