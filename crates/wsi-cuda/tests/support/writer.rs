//! A writer of baseline streams from coefficients: any sampling, tables, quantisers and restarts,
//! where an encoder of pixels would choose for itself.

use wsi_jpeg::Parts;

use super::{Random, Recipe};

/// A Huffman code: counts per length, and symbols.
#[derive(Clone, Debug)]
pub(crate) struct Code {
    pub(crate) counts: [u8; 16],
    pub(crate) symbols: Vec<u8>,
}

impl Code {
    /// Code and length of a symbol.
    pub(crate) fn of(&self, symbol: u8) -> (u32, u32) {
        let (mut code, mut index) = (0, 0);
        for (length, &count) in (1..).zip(&self.counts) {
            for _ in 0..count {
                if self.symbols[index] == symbol {
                    return (code, length);
                }
                code += 1;
                index += 1;
            }
            code <<= 1;
        }
        panic!("symbol {symbol:#04x} has no code");
    }

    /// Appends the segment that defines it.
    pub(crate) fn define(&self, slot: u8, data: &mut Vec<u8>) {
        let length = u16::try_from(19 + self.symbols.len()).expect("small");
        data.extend([0xFF, 0xC4]);
        data.extend(length.to_be_bytes());
        data.push(slot);
        data.extend(self.counts);
        data.extend(&self.symbols);
    }

    /// Codes of many lengths for some symbols, in an order drawn by lot.
    pub(crate) fn long(random: &mut Random, symbols: impl Iterator<Item = u8>) -> Self {
        let mut symbols: Vec<u8> = symbols.collect();
        for i in (1..symbols.len()).rev() {
            symbols.swap(i, random.below(i + 1));
        }
        // Lengths that keep to Kraft's sum, with the code of all ones left free: a few short codes,
        // then as many of each length as leave room for those to come.
        let mut counts = [0_u8; 16];
        let (mut left, mut room) = (symbols.len(), 2_usize);
        for (place, count) in counts.iter_mut().enumerate() {
            let longer = 15 - place;
            // Codes that must be left over, so that the others fit into the lengths that follow.
            let needed = |taken: usize| {
                let rest = left - taken;
                rest == 0 || (room - taken) << longer > rest
            };
            let most = left.min(room.saturating_sub(1));
            let wanted = if place < 3 {
                random.below(2)
            } else {
                random.below(room / 2 + 1)
            };
            let mut taken = wanted.min(most).min(255);
            while taken > 0 && !needed(taken) {
                taken -= 1;
            }
            if longer == 0 {
                taken = left;
            }
            *count = u8::try_from(taken).expect("below 256");
            left -= taken;
            room = (room - taken) * 2;
        }
        assert_eq!(left, 0, "all symbols have codes");
        Self { counts, symbols }
    }
}

/// The standard codes, luma and chroma, each DC and AC.
pub(crate) fn standard() -> [[Code; 2]; 2] {
    let recipe = Recipe {
        size: (16, 16),
        sampling: Some(jpeg_encoder::SamplingFactor::F_1_1),
        quality: 80,
        restart: 0,
    };
    let parts = Parts::read(&recipe.encode(1), None).expect("a picture");
    let code = |code: &wsi_jpeg::HuffmanCode| {
        let total: usize = code.counts().iter().map(|&n| usize::from(n)).sum();
        Code {
            counts: *code.counts(),
            symbols: code.symbols()[..total].to_vec(),
        }
    };
    let of = |component: usize| {
        let parts = &parts.components()[component];
        [code(&parts.dc), code(&parts.ac)]
    };
    [of(0), of(1)]
}

/// What to write.
#[derive(Clone, Debug)]
pub(crate) struct Picture {
    pub(crate) width: u16,
    pub(crate) height: u16,
    /// Sampling factors of each component.
    pub(crate) sampling: Vec<(u8, u8)>,
    /// Table pair of each component.
    pub(crate) pairs: Vec<u8>,
    /// DC and AC codes of each pair.
    pub(crate) codes: Vec<[Code; 2]>,
    /// By component, zigzag order.
    pub(crate) quantisers: Vec<[u8; 64]>,
    /// MCUs; 0 for none.
    pub(crate) restart: u16,
    /// The largest DC difference and AC value, in bits.
    pub(crate) bits: (u32, u32),
    /// Of 64 coefficients how many are not zero, on average.
    pub(crate) density: usize,
    /// Whether a mark says that the components are red, green and blue.
    pub(crate) adobe_rgb: bool,
}

/// Bits, most significant first, with stuffing.
#[derive(Default)]
pub(crate) struct Bits {
    pub(crate) bytes: Vec<u8>,
    pending: u64,
    count: u32,
}

impl Bits {
    pub(crate) fn put(&mut self, value: u32, bits: u32) {
        self.pending = self.pending << bits | u64::from(value);
        self.count += bits;
        while self.count >= 8 {
            self.count -= 8;
            let byte = (self.pending >> self.count).to_le_bytes()[0];
            self.bytes.push(byte);
            if byte == 0xFF {
                self.bytes.push(0);
            }
        }
        self.pending &= (1 << self.count) - 1;
    }

    /// Fills the last byte with ones.
    pub(crate) fn align(&mut self) {
        let left = (8 - self.count) % 8;
        self.put((1 << left) - 1, left);
    }

    /// A code, and the value of a coefficient behind it (T.81 F.1.2.1).
    pub(crate) fn put_value(&mut self, (code, length): (u32, u32), value: i32, size: u32) {
        self.put(code, length);
        if size > 0 {
            let coded = if value < 0 {
                value + (1 << size) - 1
            } else {
                value
            };
            self.put(u32::try_from(coded).expect("in range"), size);
        }
    }
}

fn size_of(value: i32) -> u32 {
    32 - value.unsigned_abs().leading_zeros()
}

impl Picture {
    /// The stream, of coefficients drawn by lot.
    pub(crate) fn write(&self, random: &mut Random) -> Vec<u8> {
        let mut data = vec![0xFF, 0xD8];
        if self.adobe_rgb {
            data.extend([0xFF, 0xEE, 0, 14]);
            data.extend(b"Adobe\0\x64\0\0\0\0\0");
        }
        for (slot, table) in self.quantisers.iter().enumerate() {
            data.extend([0xFF, 0xDB, 0, 67, u8::try_from(slot).expect("small")]);
            data.extend(table);
        }
        let [high, low] = self.height.to_be_bytes();
        let [left, right] = self.width.to_be_bytes();
        let count = u8::try_from(self.sampling.len()).expect("small");
        data.extend([
            0xFF,
            0xC0,
            0,
            8 + 3 * count,
            8,
            high,
            low,
            left,
            right,
            count,
        ]);
        for (component, (h, v)) in (0..count).zip(&self.sampling) {
            data.extend([component + 1, h << 4 | v, component]);
        }
        for (pair, codes) in self.codes.iter().enumerate() {
            for (class, code) in codes.iter().enumerate() {
                code.define(u8::try_from(class << 4 | pair).expect("small"), &mut data);
            }
        }
        if self.restart > 0 {
            data.extend([0xFF, 0xDD, 0, 4]);
            data.extend(self.restart.to_be_bytes());
        }
        data.extend([0xFF, 0xDA, 0, 6 + 2 * count, count]);
        for (component, pair) in (0..count).zip(&self.pairs) {
            data.extend([component + 1, pair << 4 | pair]);
        }
        data.extend([0, 63, 0]);
        self.scan(random, &mut data);
        data.extend([0xFF, 0xD9]);
        data
    }

    fn scan(&self, random: &mut Random, data: &mut Vec<u8>) {
        let most = |get: fn(&(u8, u8)) -> u8| self.sampling.iter().map(get).max().expect("some");
        let (h, v) = match self.sampling.as_slice() {
            [_] => (1, 1),
            _ => (most(|f| f.0), most(|f| f.1)),
        };
        let across = usize::from(self.width).div_ceil(8 * usize::from(h));
        let mcus = across * usize::from(self.height).div_ceil(8 * usize::from(v));
        let mut bits = Bits::default();
        let mut restarts = 0_u8;
        let mut dc = vec![0_i32; self.sampling.len()];
        for mcu in 0..mcus {
            if self.restart > 0 && mcu > 0 && mcu % usize::from(self.restart) == 0 {
                bits.align();
                data.append(&mut bits.bytes);
                data.extend([0xFF, 0xD0 + restarts % 8]);
                restarts = restarts.wrapping_add(1);
                dc.fill(0);
            }
            for (component, &(h, v)) in self.sampling.iter().enumerate() {
                let blocks = if self.sampling.len() == 1 { 1 } else { h * v };
                for _ in 0..blocks {
                    self.block(random, component, &mut dc[component], &mut bits);
                }
            }
        }
        bits.align();
        data.append(&mut bits.bytes);
    }

    fn block(&self, random: &mut Random, component: usize, dc: &mut i32, bits: &mut Bits) {
        let [dc_code, ac_code] = &self.codes[usize::from(self.pairs[component])];
        let mut draw = |bits: u32| {
            let bits = random.below(bits as usize + 1);
            let value = i32::try_from(random.below(1 << bits)).expect("small");
            if random.below(2) == 0 { value } else { -value }
        };
        let wanted = (*dc + draw(self.bits.0)).clamp(-1000, 1000);
        let difference = wanted - *dc;
        *dc = wanted;
        let size = size_of(difference);
        let symbol = u8::try_from(size).expect("small");
        bits.put_value(dc_code.of(symbol), difference, size);
        let mut run = 0_u8;
        for _ in 1..64 {
            let value = if draw(6).unsigned_abs() as usize % 64 < self.density {
                draw(self.bits.1)
            } else {
                0
            };
            if value == 0 {
                run += 1;
                continue;
            }
            while run > 15 {
                let (code, length) = ac_code.of(0xF0);
                bits.put(code, length);
                run -= 16;
            }
            let size = size_of(value);
            let symbol = run << 4 | u8::try_from(size).expect("small");
            bits.put_value(ac_code.of(symbol), value, size);
            run = 0;
        }
        if run > 0 {
            let (code, length) = ac_code.of(0);
            bits.put(code, length);
        }
    }
}
