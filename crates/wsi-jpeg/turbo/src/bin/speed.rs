//! How fast is `wsi-jpeg` beside libjpeg-turbo? Both in one run, tile by tile in turn.
//!
//! ```text
//! cargo xtask fixtures                    # once: the slides
//! cargo run --release --bin speed         # [repetitions]
//! ```
//!
//! Eight tiles are decoded by every way before the next eight are, in an order that rotates, so that
//! whatever else the machine does hits all of them alike; before each of these turns a way decodes
//! other tiles that do not count. Of the repetitions of a way on eight tiles
//! the median counts, and of these again the median; beside it stands the ratio of their sums. A set has about a hundred tiles and goes round, because a processor learns the branches of a few
//! by heart. All outputs are compared with libjpeg-turbo's before anything is timed.
//!
//! libjpeg-turbo is at its best: one decompressor and one output for all tiles, whole streams,
//! headers read once. `wsi-jpeg` gets the streams as a TIFF has them, the tables parsed before.

use std::fmt::Write as _;
use std::hint::black_box;
use std::path::Path;
use std::sync::Barrier;
use std::time::Instant;

use wsi_jpeg::{
    ColorModel, Decoder, Kernels, Options, Picture, PixelFormat, RowIndex, Scale, StridedRows,
    Tables, Window,
};
use wsi_jpeg_turbo::random::Random;
use wsi_jpeg_turbo::slides::{self, Page};
use wsi_jpeg_turbo::stream::{self, Transform};
use wsi_jpeg_turbo::turbo::{self, Encoding, Ending, Turbo};
use wsi_jpeg_turbo::{clock, compare};

const PIXEL: usize = 3;
const WINDOW: u32 = 224;
const TILES: usize = 96;

fn main() {
    let repetitions = std::env::args()
        .nth(1)
        .map_or(21, |text| text.parse().expect("the number of repetitions"));
    let fixture = slides::root().join("target/fixtures/slide_a.tiff");
    let large = Set::from_slide("512² 4:2:0 Q70 of the fixture", &fixture, 20_000);
    let small = large.reencoded("256² 4:4:4 Q90", 256, STANDARD);
    let own = large.reencoded("256² 4:2:0 Q75, tables of their own", 256, OWN_TABLES);
    let aperio = slides::root().join("fixtures/CMU-1-Small-Region.svs");
    let aperio = Set::from_slide("240² RGB Q30 of CMU-1-Small-Region", &aperio, 0);

    println!("CPU: {}; load {}", cpu(), load());
    println!(
        "libjpeg-turbo {} (SIMD) against wsi-jpeg's kernels, one thread, to RGB",
        turbo::VERSION
    );
    println!("`cargo run --release --bin speed {repetitions}`; {repetitions} repetitions\n");
    let mut report = Report::default();
    for set in [&large, &small, &aperio, &own] {
        report.add(set, set.name, Task::Full(Scale::Full), repetitions);
    }
    report.add(
        &large,
        "1/2 of the 512² tiles",
        Task::Full(Scale::Half),
        repetitions,
    );
    for (name, task) in [
        ("224² window of 512², first visit", Task::Window),
        ("the same, rows noted for the next", Task::WindowNoting),
        ("the same, by row index", Task::WindowIndexed),
    ] {
        report.add(&large, name, task, repetitions);
    }
    report.print();
    for set in [&large, &aperio] {
        threads(set, 2 * repetitions);
    }
    println!("\nload {}", load());
}

const STANDARD: Encoding = Encoding {
    quality: 90,
    sampling: (1, 1),
    restart: 0,
    optimised: false,
    progressive: false,
};

const OWN_TABLES: Encoding = Encoding {
    quality: 75,
    sampling: (2, 2),
    optimised: true,
    ..STANDARD
};

/// Tiles of one kind.
struct Set {
    name: &'static str,
    tables: Tables,
    color: ColorModel,
    side: usize,
    /// As a TIFF stores them.
    tiles: Vec<Vec<u8>>,
    /// As libjpeg-turbo takes them.
    whole: Vec<Vec<u8>>,
    /// A window in each.
    windows: Vec<Window>,
}

impl Set {
    fn new(
        name: &'static str,
        (tables, color, side): (&[u8], ColorModel, usize),
        tiles: Vec<Vec<u8>>,
    ) -> Self {
        let whole = tiles.iter().map(|tile| {
            let whole = stream::join(tables, tile).expect("whole headers");
            match color {
                ColorModel::Rgb => stream::mark(&whole, Transform::None).expect("whole headers"),
                _ => whole,
            }
        });
        let whole = whole.collect();
        let mut random = Random::new(224);
        let windows = tiles.iter().map(|_| {
            let mut start = || random.below(side.saturating_sub(WINDOW as usize) + 1) as u32;
            Window::new(start(), start(), WINDOW, WINDOW)
        });
        Self {
            name,
            tables: Tables::parse(tables).expect("whole tables"),
            color,
            side,
            windows: windows.collect(),
            tiles,
            whole,
        }
    }

    /// Tiles of level 0, evenly spread over those of at least so many bytes: blank ones are dull.
    fn from_slide(name: &'static str, path: &Path, least: usize) -> Self {
        let file = std::fs::read(path).unwrap_or_else(|error| {
            panic!(
                "{}: {error}; `cargo xtask fixtures` makes it",
                path.display()
            )
        });
        let pages = slides::jpeg_pages(&file).expect("a TIFF");
        let Page {
            tables,
            color,
            chunks,
            ..
        } = &pages[0];
        let busy: Vec<_> = chunks
            .iter()
            .filter(|(_, length)| *length >= least)
            .collect();
        let tiles: Vec<Vec<u8>> = (0..TILES)
            .map(|number| {
                let (offset, length) = *busy[number * busy.len() / TILES];
                file[offset..offset + length].to_vec()
            })
            .collect();
        let tables = tables.as_deref().expect("shared tables");
        let color = color.expect("a colour model");
        let whole = stream::join(tables, &tiles[0]).expect("whole headers");
        let (side, _) = Turbo::new().size(&whole).expect("whole headers");
        Self::new(name, (tables, color, side), tiles)
    }

    /// Parts of the same pixels, encoded anew. Optimised tables stay with their tiles.
    fn reencoded(&self, name: &'static str, side: usize, encoding: Encoding) -> Self {
        let mut turbo = Turbo::new();
        let mut tables = Vec::new();
        let mut tiles = Vec::new();
        for (number, whole) in self.whole.iter().enumerate() {
            let decoded = turbo.decode(whole, Scale::Full, PixelFormat::Rgb8, 1 << 20);
            // Each of the four corners in turn.
            let x = (number % 2) * (self.side - side);
            let y = (number / 2 % 2) * (self.side - side);
            let window = Window::new(x as u32, y as u32, side as u32, side as u32);
            let pixels = compare::crop(&decoded, PixelFormat::Rgb8, 3, window);
            let whole = encoding.encode(&pixels, side, side, 3);
            let (shared, tile) = stream::abbreviate(&whole).expect("whole headers");
            tables = shared;
            tiles.push(if encoding.optimised { whole } else { tile });
        }
        Self::new(name, (&tables, ColorModel::YCbCr, side), tiles)
    }

    fn options(&self) -> Options<'_> {
        Options::new(PixelFormat::Rgb8)
            .with_tables(Some(&self.tables))
            .with_color(Some(self.color))
    }
}

/// What is done with each tile.
#[derive(Clone, Copy)]
enum Task {
    Full(Scale),
    /// libjpeg-turbo decodes all of it and copies the window out.
    Window,
    WindowNoting,
    WindowIndexed,
}

impl Task {
    /// Side of the output.
    fn side(self, set: &Set) -> usize {
        match self {
            Self::Full(scale) => scale.apply(set.side as u32) as usize,
            _ => WINDOW as usize,
        }
    }
}

/// Tiles between two looks at the clock.
const GROUP: usize = 8;

/// Outputs that all ways share, so that none finds its own still in the cache: as many as a way
/// takes tiles at a time are in use.
type Outputs = [Vec<u8>; GROUP];

/// Decodes the tiles of these numbers.
type Run<'s> = Box<dyn FnMut(&[usize], &mut Outputs) + 's>;

/// One way to do the task.
struct Way<'s> {
    /// How many tiles it takes at a time.
    together: usize,
    run: Run<'s>,
}

/// All sets of kernels but the oracle of the others.
fn measured() -> impl Iterator<Item = Kernels> {
    let sets = Kernels::available().into_iter();
    sets.filter(|set| *set != Kernels::scalar())
}

/// libjpeg-turbo, then one tile, a pair and a batch for each set of kernels.
fn ways(set: &Set, task: Task) -> Vec<Way<'_>> {
    let mut ways = vec![turbo_way(set, task)];
    for kernels in measured() {
        ways.push(single_way(set, task, kernels));
        ways.push(pair_way(set, task, kernels));
        ways.push(batch_way(set, task, kernels));
    }
    ways
}

fn turbo_way(set: &Set, task: Task) -> Way<'_> {
    let mut turbo = Turbo::new();
    turbo.size(&set.whole[0]).expect("whole headers");
    let scale = match task {
        Task::Full(scale) => scale,
        _ => Scale::Full,
    };
    turbo.set_scale(scale);
    let pitch = scale.apply(set.side as u32) as usize * PIXEL;
    let run = move |numbers: &[usize], outputs: &mut Outputs| {
        let [first, second, ..] = outputs;
        let number = numbers[0];
        let ending = turbo.decode_into(&set.whole[number], PixelFormat::Rgb8, first, pitch);
        assert_eq!(ending, Ending::Clean);
        if !matches!(task, Task::Full(_)) {
            let Window {
                x,
                y,
                width,
                height,
                ..
            } = set.windows[number];
            let row = width as usize * PIXEL;
            for line in 0..height as usize {
                let from = (y as usize + line) * pitch + x as usize * PIXEL;
                second[line * row..][..row].copy_from_slice(&first[from..][..row]);
            }
            // The window is where the other ways have it.
            std::mem::swap(first, second);
        }
    };
    Way {
        together: 1,
        run: Box::new(run),
    }
}

/// The options for each tile, and its row index if there is one.
fn jobs(set: &Set, task: Task) -> Vec<(Options<'_>, Option<RowIndex>)> {
    let job = |number: usize| match task {
        Task::Full(scale) => (set.options().with_scale(scale), None),
        Task::Window => (set.options().with_window(Some(set.windows[number])), None),
        Task::WindowNoting => (
            set.options().with_window(Some(set.windows[number])),
            Some(RowIndex::new()),
        ),
        Task::WindowIndexed => {
            let mut index = RowIndex::new();
            let mut pixels = vec![0; set.side * set.side * PIXEL];
            let mut rows = StridedRows::new(&mut pixels, set.side * PIXEL);
            Decoder::new()
                .decode_indexed(&set.tiles[number], &set.options(), &mut rows, &mut index)
                .map(|outcome| assert!(outcome.is_clean()))
                .expect("a whole tile");
            (
                set.options().with_window(Some(set.windows[number])),
                Some(index),
            )
        }
    };
    (0..set.tiles.len()).map(job).collect()
}

fn single_way(set: &Set, task: Task, kernels: Kernels) -> Way<'_> {
    let mut decoder = Decoder::with_kernels(kernels);
    let mut jobs = jobs(set, task);
    let pitch = task.side(set) * PIXEL;
    let run = move |numbers: &[usize], outputs: &mut Outputs| {
        let number = numbers[0];
        let (data, (options, index)) = (&set.tiles[number], &mut jobs[number]);
        let mut rows = StridedRows::new(&mut outputs[0], pitch);
        let outcome = match index {
            Some(index) => {
                if matches!(task, Task::WindowNoting) {
                    *index = RowIndex::new();
                }
                decoder.decode_indexed(data, options, &mut rows, index)
            }
            None => decoder.decode(data, options, &mut rows),
        };
        assert!(outcome.is_ok_and(|outcome| outcome.is_clean()));
    };
    Way {
        together: 1,
        run: Box::new(run),
    }
}

fn pair_way(set: &Set, task: Task, kernels: Kernels) -> Way<'_> {
    let mut decoder = Decoder::with_kernels(kernels);
    let mut jobs = jobs(set, task);
    let pitch = task.side(set) * PIXEL;
    let run = move |numbers: &[usize], outputs: &mut Outputs| {
        let [a, b] = [numbers[0], numbers[1]];
        let [first, second] = jobs.get_disjoint_mut([a, b]).expect("two tiles");
        let (mut rows_a, mut rows_b) = {
            let [a, b, ..] = outputs;
            (StridedRows::new(a, pitch), StridedRows::new(b, pitch))
        };
        let mut picture_a = Picture::new(&set.tiles[a], &first.0, &mut rows_a);
        let mut picture_b = Picture::new(&set.tiles[b], &second.0, &mut rows_b);
        if let (Some(a), Some(b)) = (&mut first.1, &mut second.1) {
            if matches!(task, Task::WindowNoting) {
                (*a, *b) = (RowIndex::new(), RowIndex::new());
            }
            picture_a = picture_a.with_index(a);
            picture_b = picture_b.with_index(b);
        }
        let (a, b) = decoder.decode_pair(picture_a, picture_b);
        assert!(a.is_ok_and(|outcome| outcome.is_clean()));
        assert!(b.is_ok_and(|outcome| outcome.is_clean()));
    };
    Way {
        together: 2,
        run: Box::new(run),
    }
}

fn batch_way(set: &Set, task: Task, kernels: Kernels) -> Way<'_> {
    let mut decoder = Decoder::with_kernels(kernels);
    let mut jobs = jobs(set, task);
    let pitch = task.side(set) * PIXEL;
    let run = move |numbers: &[usize], outputs: &mut Outputs| {
        let mut rows: Vec<_> = outputs
            .iter_mut()
            .map(|output| StridedRows::new(output, pitch))
            .collect();
        let jobs = &mut jobs[numbers[0]..][..numbers.len()];
        let pictures = numbers.iter().zip(jobs).zip(&mut rows);
        let pictures = pictures.map(|((&number, (options, index)), rows)| {
            let picture = Picture::new(&set.tiles[number], options, rows);
            match index {
                Some(index) => {
                    if matches!(task, Task::WindowNoting) {
                        *index = RowIndex::new();
                    }
                    picture.with_index(index)
                }
                None => picture,
            }
        });
        decoder.decode_batch(pictures, |_, outcome| {
            assert!(outcome.is_ok_and(|outcome| outcome.is_clean()));
        });
    };
    Way {
        together: GROUP,
        run: Box::new(run),
    }
}

/// Seconds a tile of each way for each group of tiles: the median of the repetitions.
fn measure(set: &Set, task: Task, repetitions: usize) -> Vec<Vec<f64>> {
    let mut ways = ways(set, task);
    let mut outputs: Outputs = [0; GROUP].map(|_| vec![0; set.side * set.side * PIXEL]);
    check(set, task, &mut ways, &mut outputs);
    let groups = set.tiles.len() / GROUP;
    let mut times = vec![vec![Vec::with_capacity(repetitions); ways.len()]; groups];
    let mut turn = 0;
    for _ in 0..repetitions {
        for (group, times) in times.iter_mut().enumerate() {
            turn += 1;
            for order in 0..ways.len() {
                let number = (turn + order) % ways.len();
                let way = &mut ways[number];
                let tiles: Vec<usize> = (group * GROUP..(group + 1) * GROUP).collect();
                // Untimed: some processors need longer than a tile to widen their vectors after
                // a way that has narrower ones.
                let before = (group + groups - 1) % groups * GROUP;
                let others: Vec<usize> = (before..before + GROUP).collect();
                for others in others.chunks(way.together) {
                    (way.run)(others, &mut outputs);
                }
                let started = Instant::now();
                for tiles in tiles.chunks(way.together) {
                    (way.run)(tiles, &mut outputs);
                    black_box(&outputs);
                }
                times[number].push(started.elapsed().as_secs_f64() / GROUP as f64);
            }
        }
    }
    let of_way = |way: usize| {
        times
            .iter_mut()
            .map(|times| median(&mut times[way]))
            .collect()
    };
    (0..ways.len()).map(of_way).collect()
}

/// Every way gives the pixels of the first, which is libjpeg-turbo.
fn check(set: &Set, task: Task, ways: &mut [Way<'_>], outputs: &mut Outputs) {
    let side = task.side(set);
    let length = side * side * PIXEL;
    let numbers: Vec<usize> = (0..set.tiles.len()).collect();
    for group in numbers.chunks(GROUP) {
        let mut expected = Vec::new();
        for tile in group {
            (ways[0].run)(&[*tile], outputs);
            expected.push(outputs[0][..length].to_vec());
        }
        for way in &mut ways[1..] {
            let expected = expected.chunks(way.together);
            for (tiles, expected) in group.chunks(way.together).zip(expected) {
                outputs.iter_mut().for_each(|output| output.fill(0));
                (way.run)(tiles, outputs);
                for (output, expected) in outputs.iter().zip(expected) {
                    assert!(output[..length] == *expected, "{}: pixels differ", set.name);
                }
            }
        }
    }
}

#[derive(Default)]
struct Report {
    ratios: String,
    times: String,
}

impl Report {
    fn add(&mut self, set: &Set, name: &str, task: Task, repetitions: usize) {
        let mut measured = measure(set, task, repetitions);
        let sums: Vec<f64> = measured.iter().map(|tiles| tiles.iter().sum()).collect();
        let medians: Vec<f64> = measured.iter_mut().map(|tiles| median(tiles)).collect();
        let tiles = set.tiles.len();
        write!(self.ratios, "| {name} | {tiles}").expect("a string");
        write!(self.times, "| {name} | {:.1}", medians[0] * 1e6).expect("a string");
        for (way, time) in medians.iter().enumerate().skip(1) {
            let (ratio, of_sums) = (medians[0] / time, sums[0] / sums[way]);
            write!(self.ratios, " | {ratio:.2} ({of_sums:.2})").expect("a string");
            write!(self.times, " | {:.1}", time * 1e6).expect("a string");
        }
        self.ratios.push_str(" |\n");
        self.times.push_str(" |\n");
    }

    fn print(&self) {
        let mut columns = String::new();
        for kernels in measured() {
            let name = kernels.name();
            write!(columns, " {name}, one | pair | batch |").expect("a string");
        }
        let rule = "---|".repeat(2 + 3 * measured().count());
        println!("Times libjpeg-turbo's speed, by medians (by sums):\n");
        println!("| tiles | number |{columns}\n|{rule}\n{}", self.ratios);
        println!("Microseconds for one tile or window, medians:\n");
        println!(
            "| tiles | libjpeg-turbo |{columns}\n|{rule}\n{}",
            self.times
        );
    }
}

/// How much faster two threads are than one, each with a decoder of its own.
///
/// By the clock this depends on what else runs: libjpeg-turbo's ratio shows how much of the machine
/// there was to be had. Processor time leaves that out: what is lost there is lost to the caches,
/// the memory or the other thread.
fn threads(set: &Set, repetitions: usize) {
    println!(
        "Two threads against one, {}, {repetitions} repetitions:\n",
        set.name
    );
    println!("| | one thread, MP/s | two threads, MP/s | ratio | ratio by processor time |");
    println!("|---|---|---|---|---|");
    let fastest = Kernels::detect();
    let makers: [(String, &dyn Fn() -> Worker); 3] = [
        ("libjpeg-turbo".to_owned(), &|| Worker::turbo(set)),
        (format!("{}, one", fastest.name()), &|| Worker::ours(set, 1)),
        (format!("{}, pair", fastest.name()), &|| {
            Worker::ours(set, 2)
        }),
    ];
    let mut workers: Vec<_> = makers
        .iter()
        .map(|(name, make)| (name, make(), make(), Scaling::default()))
        .collect();
    for _ in 0..repetitions {
        for (_, first, second, scaling) in &mut workers {
            let alone = first.all(set, 0);
            let barrier = Barrier::new(2);
            let (mine, other) = std::thread::scope(|scope| {
                let other = scope.spawn(|| {
                    barrier.wait();
                    // Elsewhere in the set, so that the two do not share what they read.
                    second.all(set, set.tiles.len() / 2)
                });
                barrier.wait();
                let mine = first.all(set, 0);
                (mine, other.join().expect("a decode"))
            });
            scaling.add(alone, [mine, other]);
        }
    }
    let pixels = (set.tiles.len() * set.side * set.side) as f64;
    for (name, _, _, scaling) in &mut workers {
        let one = pixels / median(&mut scaling.alone) / 1e6;
        let two = 2.0 * pixels / median(&mut scaling.both) / 1e6;
        let by_clock = median(&mut scaling.by_clock);
        let by_processor = median(&mut scaling.by_processor);
        println!("| {name} | {one:.0} | {two:.0} | {by_clock:.2} | {by_processor:.2} |");
    }
    println!();
}

/// Seconds of a set, and ratios of two threads to one.
#[derive(Default)]
struct Scaling {
    alone: Vec<f64>,
    both: Vec<f64>,
    by_clock: Vec<f64>,
    by_processor: Vec<f64>,
}

impl Scaling {
    fn add(&mut self, alone: Spent, both: [Spent; 2]) {
        let [mine, other] = both;
        let clock = mine.clock.max(other.clock);
        self.alone.push(alone.clock);
        self.both.push(clock);
        self.by_clock.push(2.0 * alone.clock / clock);
        let processor = mine.processor.max(other.processor);
        self.by_processor.push(2.0 * alone.processor / processor);
    }
}

/// Seconds that a thread took.
#[derive(Clone, Copy)]
struct Spent {
    clock: f64,
    processor: f64,
}

/// What a thread takes along.
#[expect(
    clippy::large_enum_variant,
    reason = "there are six of them, and each is used for seconds"
)]
enum Worker {
    Turbo(Turbo, Vec<u8>),
    Ours(Decoder, [Vec<u8>; 2], usize),
}

impl Worker {
    fn turbo(set: &Set) -> Self {
        let mut turbo = Turbo::new();
        turbo.size(&set.whole[0]).expect("whole headers");
        Self::Turbo(turbo, vec![0; set.side * set.side * PIXEL])
    }

    fn ours(set: &Set, together: usize) -> Self {
        let outputs = [0, 1].map(|_| vec![0; set.side * set.side * PIXEL]);
        Self::Ours(Decoder::new(), outputs, together)
    }

    /// Decodes all tiles, from one on, and says how long that took.
    fn all(&mut self, set: &Set, from: usize) -> Spent {
        let pitch = set.side * PIXEL;
        let options = set.options();
        let tiles = set.tiles.len();
        let (started, processor) = (Instant::now(), clock::thread_time());
        for step in (0..tiles).step_by(2) {
            let pair = [0, 1].map(|next| (from + step + next) % tiles);
            match self {
                Self::Turbo(turbo, output) => {
                    for tile in pair {
                        turbo.decode_into(&set.whole[tile], PixelFormat::Rgb8, output, pitch);
                    }
                }
                Self::Ours(decoder, outputs, 1) => {
                    for tile in pair {
                        let mut rows = StridedRows::new(&mut outputs[0], pitch);
                        let outcome = decoder.decode(&set.tiles[tile], &options, &mut rows);
                        assert!(outcome.is_ok());
                    }
                }
                Self::Ours(decoder, [a, b], _) => {
                    let (mut a, mut b) = (StridedRows::new(a, pitch), StridedRows::new(b, pitch));
                    let outcomes = decoder.decode_pair(
                        Picture::new(&set.tiles[pair[0]], &options, &mut a),
                        Picture::new(&set.tiles[pair[1]], &options, &mut b),
                    );
                    assert!(outcomes.0.is_ok() && outcomes.1.is_ok());
                }
            }
        }
        Spent {
            clock: started.elapsed().as_secs_f64(),
            processor: (clock::thread_time() - processor).as_secs_f64(),
        }
    }
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn cpu() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let model = field("model name").unwrap_or_else(|| "unknown".to_owned());
    let numbers = ["cpu family", "model\t", "stepping"].map(|name| field(name).unwrap_or_default());
    format!("{model} (family, model, stepping {})", numbers.join(", "))
}

fn load() -> String {
    let text = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}
