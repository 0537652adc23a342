//! How far libjpeg-turbo has read ahead of what it uses.
//!
//! Its bit reader fetches up to 8 bytes at once (on 64-bit machines), and what it says about the
//! end of a segment hangs on how far it has come. Bytes between that place and the marker are
//! skipped with a warning (`next_marker` in `jdmarker.c`). If it has met the marker already there
//! is no skipping and no warning, whatever it still holds: those bytes are left for the next search
//! for a marker to warn of (`process_restart`). A reader of slides takes a warning for damage, so
//! this must come out the same here.
//!
//! It has two of them. The slow one (`jpeg_fill_bit_buffer`, `HUFF_DECODE` and
//! `jpeg_huff_decode` in `jdhuff.c`) fetches once it lacks a bit, until it holds at least 57. The
//! fast one (`decode_mcu_fast`) fetches 6 bytes when it holds 16 bits or fewer, and does not warn
//! of undefined codes. It takes those MCUs of sequential scans without restarts that have 512
//! bytes of data for each block before them (`decode_mcu`); if it comes to a marker or to a
//! repeated 0xFF, it leaves the MCU to the slow one.
//!
//! Scans that refine a progressive picture are read by [`Paced`] in the first place. All others are
//! read faster, and where that leaves a doubt, their codes are read again: those of sequential
//! scans by [`replay`]. Positions count in bytes of the segment without stuffing, and zeros follow
//! it: a reader that has come past the end stands for one that has met the marker.
//!
//! Not modelled: bits that are made up behind a marker. libjpeg-turbo counts those that are left
//! over at a restart as skipped bytes, but by then it has warned of the missing data.

use crate::huffman::{BitPosition, Bits, HuffmanTable, PADDING, unstuff};

/// Bits of libjpeg-turbo's look-up (`HUFF_LOOKAHEAD`).
const LOOKAHEAD: u32 = 8;
/// Bytes that the fast reader wants for each block of an MCU (`BUFSIZE`).
const FAST_BYTES: usize = 512;

/// A reader of codes and of the bits behind them, at one pace or another.
pub(crate) trait Reader {
    /// Reads one code; `None` if the bits are no code: then 17 bits are gone.
    fn code(&mut self, table: &HuffmanTable) -> Option<u8>;

    /// Takes the 1 to 15 bits that a code asks for.
    fn value(&mut self, bits: u32) -> u32;

    /// Takes one bit.
    #[inline(always)]
    fn flag(&mut self) -> bool {
        self.value(1) != 0
    }

    fn bits(&self) -> &Bits<'_>;
}

/// At full speed.
impl Reader for Bits<'_> {
    #[inline(always)]
    fn code(&mut self, table: &HuffmanTable) -> Option<u8> {
        self.refill();
        table.symbol(self)
    }

    #[inline(always)]
    fn value(&mut self, bits: u32) -> u32 {
        self.take(bits)
    }

    #[inline(always)]
    fn flag(&mut self) -> bool {
        if self.held() == 0 {
            self.refill();
        }
        self.take(1) != 0
    }

    #[inline(always)]
    fn bits(&self) -> &Bits<'_> {
        self
    }
}

/// At libjpeg-turbo's slow pace.
#[derive(Debug)]
pub(crate) struct Paced<'a>(Bits<'a>);

impl<'a> Paced<'a> {
    /// Goes on where a paced reader has been, or begins a segment.
    pub(crate) fn resume(segment: &'a [u8], at: BitPosition) -> Self {
        Self(Bits::resume(segment, at))
    }

    /// Fetches if there are fewer than `bits` (`CHECK_BIT_BUFFER`).
    #[inline(always)]
    fn want(&mut self, bits: u32) {
        let held = self.0.held();
        if held < bits {
            // Byte by byte until there are 57 bits.
            self.0.load((64 - held) / 8);
        }
    }
}

impl Reader for Paced<'_> {
    #[inline(always)]
    fn code(&mut self, table: &HuffmanTable) -> Option<u8> {
        self.want(LOOKAHEAD);
        if let Some((length, symbol)) = table.short_code(&self.0, LOOKAHEAD) {
            self.0.drop(length);
            return Some(symbol);
        }
        if self.0.held() > 16 {
            return table.symbol(&mut self.0);
        }
        // By value, so that the reader can stay in registers.
        let symbol;
        (self.0, symbol) = crawl(self.0.duplicate(), table);
        symbol
    }

    #[inline(always)]
    fn value(&mut self, bits: u32) -> u32 {
        self.want(bits);
        self.0.take(bits)
    }

    #[inline(always)]
    fn bits(&self) -> &Bits<'_> {
        &self.0
    }
}

/// Reads a code of more than 8 bits that may not be there whole (`jpeg_huff_decode`).
#[cold]
#[inline(never)]
fn crawl<'a>(bits: Bits<'a>, table: &HuffmanTable) -> (Bits<'a>, Option<u8>) {
    let mut reader = Paced(bits);
    let mut code = reader.value(LOOKAHEAD + 1);
    for length in LOOKAHEAD + 1..=16 {
        if let Some(symbol) = table.symbol_of(code, length) {
            return (reader.0, Some(symbol));
        }
        code = code << 1 | reader.value(1);
    }
    (reader.0, None)
}

/// At libjpeg-turbo's fast pace (`HUFF_DECODE_FAST`).
struct Fast<'a>(Bits<'a>);

impl Fast<'_> {
    /// `FILL_BIT_BUFFER_FAST` where words have 64 bits.
    fn fill(&mut self) {
        if self.0.held() <= 16 {
            self.0.load(6);
        }
    }
}

impl Reader for Fast<'_> {
    fn code(&mut self, table: &HuffmanTable) -> Option<u8> {
        self.fill();
        table.symbol(&mut self.0)
    }

    fn value(&mut self, bits: u32) -> u32 {
        self.fill();
        self.0.take(bits)
    }

    fn bits(&self) -> &Bits<'_> {
        &self.0
    }
}

/// Where libjpeg-turbo stands at the end of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Reach {
    /// It has read the marker behind the segment.
    pub(crate) met: bool,
    /// Whole bytes fetched but not used.
    pub(crate) held: usize,
    /// Bytes that were not fetched, stuffing included.
    pub(crate) ahead: usize,
    /// Undefined codes that it has warned of. Only known after a [`replay`].
    pub(crate) undefined: usize,
}

impl Reach {
    /// After a paced reader has come to `at` in a padded segment.
    pub(crate) fn of(segment: &[u8], at: BitPosition) -> Self {
        let content = &segment[..segment.len() - PADDING];
        let fetched = at.next.min(content.len());
        let used = (at.next * 8 - at.count as usize).div_ceil(8);
        Self {
            met: at.next > content.len(),
            held: fetched.saturating_sub(used),
            ahead: content[fetched..]
                .iter()
                .map(|&byte| 1 + usize::from(byte == 0xFF))
                .sum(),
            undefined: 0,
        }
    }
}

/// The DC and AC codes of a block of a sequential scan.
pub(crate) type BlockCodes<'a> = (&'a HuffmanTable, &'a HuffmanTable);

/// What has been decoded of a segment of a sequential scan.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stretch<'d> {
    /// All data of the picture, and where in them the segment starts.
    pub(crate) data: &'d [u8],
    pub(crate) start: usize,
    /// MCUs that have been decoded.
    pub(crate) mcus: usize,
    /// The scan has restarts: then the fast reader keeps out of it.
    pub(crate) restarts: bool,
}

/// Reads a stretch as libjpeg-turbo does, its pace and its warnings included.
#[cold]
pub(crate) fn replay(stretch: Stretch<'_>, blocks: &[BlockCodes<'_>]) -> Reach {
    let mut segment = Vec::new();
    unstuff(stretch.data, stretch.start, &mut segment);
    let mut stuffed = Stuffed {
        data: stretch.data,
        at: stretch.start,
        fetched: 0,
    };
    let content = &segment[..segment.len() - PADDING];
    let mut reader = Paced::resume(&segment, BitPosition::default());
    let mut undefined = 0;
    for _ in 0..stretch.mcus {
        let fetched = reader.0.pause().next;
        if !stretch.restarts && fetched <= content.len() {
            stuffed.advance(content, fetched);
            if stuffed.left() >= FAST_BYTES * blocks.len() {
                let mut fast = Fast(reader.0.duplicate());
                read_mcu(&mut fast, blocks);
                let fetched = fast.0.pause().next;
                if fetched <= content.len() && stuffed.clone().advance(content, fetched) {
                    reader.0 = fast.0;
                    continue;
                }
            }
        }
        undefined += read_mcu(&mut reader, blocks);
        if reader.0.overrun() {
            break;
        }
    }
    Reach {
        undefined,
        ..Reach::of(&segment, reader.0.pause())
    }
}

/// Reads the codes of an MCU, T.81 F.2.2; returns how many of them were undefined.
fn read_mcu(reader: &mut impl Reader, blocks: &[BlockCodes<'_>]) -> usize {
    let mut undefined = 0;
    let mut next = |reader: &mut _, table| {
        Reader::code(reader, table).unwrap_or_else(|| {
            undefined += 1;
            0
        })
    };
    for (dc, ac) in blocks {
        let size = next(reader, dc);
        if size > 0 {
            reader.value(size.into());
        }
        let mut k = 1;
        while k < 64 {
            let code = next(reader, ac);
            let (run, size) = (code >> 4, code & 15);
            if size > 0 {
                reader.value(size.into());
            } else if run < 15 {
                break;
            }
            k += run + 1;
        }
    }
    undefined
}

/// A place in the data that belongs to a number of bytes without stuffing.
#[derive(Debug, Clone)]
struct Stuffed<'d> {
    data: &'d [u8],
    at: usize,
    fetched: usize,
}

impl Stuffed<'_> {
    /// Goes on to where `fetched` bytes of the content have been read; returns whether no 0xFF on
    /// the way was repeated.
    fn advance(&mut self, content: &[u8], fetched: usize) -> bool {
        let mut plain = true;
        for &byte in &content[self.fetched..fetched] {
            self.at += 1;
            if byte == 0xFF {
                while self.data.get(self.at) == Some(&0xFF) {
                    self.at += 1;
                    plain = false;
                }
                self.at += 1;
            }
        }
        self.fetched = fetched;
        plain
    }

    /// Bytes to the end of the data, behind the segment too.
    fn left(&self) -> usize {
        self.data.len().saturating_sub(self.at)
    }
}

#[cfg(test)]
mod tests {
    //! Where warnings are expected, and of how many bytes, was read off libjpeg-turbo 3.1.0
    //! (`tj3Decompress8` and `tj3GetErrorStr`); the test `ends_of_segments` of the package
    //! `wsi-jpeg-turbo` holds all such streams against it.

    use crate::{Decoder, Options, PixelFormat, StridedRows, Warning};

    /// A block without coefficients in the standard tables: a difference of 0, end of block.
    const EMPTY: &str = "001010";
    /// The same with an undefined code for the end of block.
    const UNDEFINED: &str = "0011111111111111111";

    /// Bits as bytes, the last one filled up with ones, with stuffing.
    fn bytes(bits: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        for chunk in bits.as_bytes().chunks(8) {
            let byte = (0..8).fold(0, |byte, bit| {
                byte << 1 | u8::from(chunk.get(bit) != Some(&b'0'))
            });
            bytes.push(byte);
            if byte == 0xFF {
                bytes.push(0);
            }
        }
        bytes
    }

    /// A gray picture, one block high, of segments with stray bytes behind them.
    fn picture(interval: u8, segments: &[(String, usize)], behind: usize) -> Vec<u8> {
        let blocks = segments
            .iter()
            .map(|(bits, _)| bits.matches(EMPTY).count() + bits.matches(UNDEFINED).count())
            .sum::<usize>();
        let width = u16::try_from(blocks * 8).unwrap().to_be_bytes();
        let mut data = vec![0xFF, 0xD8, 0xFF, 0xDB, 0, 67, 0];
        data.extend([1; 64]);
        data.extend([
            0xFF, 0xC0, 0, 11, 8, 0, 8, width[0], width[1], 1, 1, 0x11, 0,
        ]);
        data.extend([0xFF, 0xDD, 0, 4, 0, interval]);
        data.extend([0xFF, 0xDA, 0, 8, 1, 1, 0, 0, 63, 0]);
        let restarts = (0xD0..=0xD7).cycle().map(Some);
        let markers = [None].into_iter().chain(restarts);
        for (marker, (bits, stray)) in markers.zip(segments) {
            data.extend(marker.into_iter().flat_map(|marker| [0xFF, marker]));
            data.extend(bytes(bits));
            data.resize(data.len() + stray, 0);
        }
        data.extend([0xFF, 0xD9]);
        data.resize(data.len() + behind, 0);
        data
    }

    fn warnings(interval: u8, segments: &[(String, usize)], behind: usize) -> Vec<Warning> {
        let data = picture(interval, segments, behind);
        let width = crate::Info::read(&data, None).unwrap().width() as usize;
        let mut pixels = vec![0; width * 8];
        let mut decoder = Decoder::new();
        // The first sight of a picture takes another way than the second.
        let mut decode = || {
            let mut rows = StridedRows::new(&mut pixels, width);
            let options = Options::new(PixelFormat::Gray8);
            let outcome = decoder.decode(&data, &options, &mut rows).unwrap();
            outcome.warnings().to_vec()
        };
        let first = decode();
        assert_eq!(first, decode());
        first
    }

    fn extraneous(count: usize, marker: u8) -> Vec<Warning> {
        vec![Warning::ExtraneousBytes { count, marker }]
    }

    #[test]
    fn stray_bytes_count_from_where_the_reader_has_come() {
        // Blocks, stray bytes that are fetched, though maybe not the marker behind them.
        for (blocks, fetched) in [(1, 7), (9, 1), (10, 0), (11, 6), (19, 0), (20, 7), (21, 6)] {
            let end = |stray| warnings(0, &[(EMPTY.repeat(blocks), stray)], 0);
            assert_eq!(end(fetched), [], "{blocks} blocks");
            assert_eq!(
                end(fetched + 1),
                extraneous(1, 0xD9),
                "{blocks} blocks and a byte"
            );
            assert_eq!(
                end(fetched + 20),
                extraneous(20, 0xD9),
                "{blocks} blocks and 20 bytes"
            );
        }
    }

    #[test]
    fn held_bytes_are_warned_of_at_the_next_search_for_a_marker() {
        let segment = |blocks, stray| (EMPTY.repeat(blocks), stray);
        // The marker has been met: nothing is skipped.
        assert_eq!(warnings(8, &[segment(8, 1), segment(8, 0)], 0), []);
        // It has not: the byte that is held counts as skipped, too.
        assert_eq!(
            warnings(8, &[segment(8, 2), segment(8, 0)], 0),
            extraneous(2, 0xD0)
        );
        assert_eq!(
            warnings(8, &[segment(8, 3), segment(8, 0)], 0),
            extraneous(3, 0xD0)
        );
        // What the first restart has left is warned of by the second, or at the end.
        assert_eq!(
            warnings(8, &[segment(8, 1), segment(8, 2), segment(8, 0)], 0),
            extraneous(3, 0xD1)
        );
        assert_eq!(
            warnings(8, &[segment(8, 1), segment(8, 2)], 0),
            extraneous(1, 0xD9)
        );
    }

    #[test]
    fn the_fast_reader_does_not_warn_of_undefined_codes() {
        let bits = [UNDEFINED, &EMPTY.repeat(20)].concat();
        let bad = [Warning::BadHuffmanCode];
        assert_eq!(warnings(0, &[(bits.clone(), 0)], 600), []);
        // It does not run with less data before it,
        assert_eq!(warnings(0, &[(bits.clone(), 0)], 400), bad);
        // with restarts,
        assert_eq!(warnings(100, &[(bits, 0)], 600), bad);
        // and up to the marker, if it fetches that far.
        let bits = |before| [&EMPTY.repeat(before), UNDEFINED].concat();
        assert_eq!(warnings(0, &[(bits(20), 0)], 600), []);
        assert_eq!(warnings(0, &[(bits(21), 0)], 600), bad);
    }
}
