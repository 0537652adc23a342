//! What the headers of a picture and the options of a call determine, worked out once.
//!
//! The tiles of a level have the same headers, byte for byte. A [`Plan`] is found again by those
//! bytes, and spares every tile but the first the parsing of markers, the tables and the geometry.
//! Its look-ups are shared by all threads of the process.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::arch::Kernels;
use crate::arch::lanes::Schedule;
use crate::codes::Codes;
use crate::color::Conversion;
use crate::error::{Error, Outcome, Warning};
use crate::frame::Info;
use crate::huffman::HuffmanTable;
use crate::idct::Multipliers;
use crate::layout::Layout;
use crate::markers::{Scan, Stream};
use crate::options::ColorModel;
use crate::options::{Limits, Options, PixelFormat};
use crate::scale::Scale;
use crate::scan::TableCache;
use crate::tables::{Class, Quantisers};

/// One block of an MCU.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Unit {
    /// Component of the frame.
    pub(crate) component: usize,
    /// Place of the block among those of its component in the MCU.
    pub(crate) x: usize,
    pub(crate) y: usize,
}

/// T.81 B.2.3: an MCU has at most 10 data units.
pub(crate) const MAX_UNITS: usize = 10;

/// The Huffman codes of one component.
#[derive(Debug, Clone)]
pub(crate) struct ComponentCodes {
    pub(crate) dc: Arc<HuffmanTable>,
    pub(crate) ac: Arc<HuffmanTable>,
}

/// A sequential 8-bit picture in one scan, ready to be decoded.
#[derive(Debug)]
pub(crate) struct Plan {
    key: Key,
    pub(crate) layout: Layout,
    pub(crate) conversion: Conversion,
    /// Components that go to the output, the first ones.
    pub(crate) rendered: usize,
    /// Bytes of a pixel.
    pub(crate) pixel: usize,
    /// What the headers gave reason to warn of.
    pub(crate) outcome: Outcome,
    /// MCUs between restarts; 0 for none.
    pub(crate) restart_interval: u16,
    units: [Unit; MAX_UNITS],
    unit_count: usize,
    /// By component of the frame.
    pub(crate) codes: Vec<ComponentCodes>,
    /// The look-ups for lanes; none for kernels without lanes, and for codes that may never come again
    /// and have little to decode.
    pub(crate) schedule: Option<Schedule>,
    /// The codes may well come again: they are shared, standard, or met before.
    pub(crate) lasting: bool,
    pub(crate) multipliers: [Multipliers; 4],
}

/// Bytes of entropy-coded data from which the look-ups of a pair of codes are worth their while, even
/// if they serve once.
const DATA_FOR_LOOKUPS: usize = 1 << 10;

/// Pairs of codes among those of the components.
fn distinct(codes: &[ComponentCodes]) -> usize {
    let same = |a: &ComponentCodes, b: &ComponentCodes| {
        Arc::ptr_eq(&a.dc, &b.dc) && Arc::ptr_eq(&a.ac, &b.ac)
    };
    let is_first = |index: usize| !codes[..index].iter().any(|code| same(code, &codes[index]));
    (0..codes.len()).filter(|&index| is_first(index)).count()
}

/// What a plan was made of.
#[derive(Debug)]
struct Key {
    /// The data up to the end of the scan header.
    header: Box<[u8]>,
    /// Identity of the tables that came with the options.
    tables: Option<u64>,
    format: PixelFormat,
    color: Option<ColorModel>,
    scale: Scale,
    limits: Limits,
}

impl Key {
    fn new(header: &[u8], options: &Options<'_>) -> Self {
        Self {
            header: header.into(),
            tables: options.tables.map(crate::Tables::id),
            format: options.format,
            color: options.color,
            scale: options.scale,
            limits: options.limits,
        }
    }
}

impl Plan {
    /// Whether this is the plan of such data and options.
    pub(crate) fn fits(&self, data: &[u8], options: &Options<'_>) -> bool {
        let key = &self.key;
        data.starts_with(&key.header)
            && key.tables == options.tables.map(crate::Tables::id)
            && key.format == options.format
            && key.color == options.color
            && key.scale == options.scale
            && key.limits == options.limits
    }

    /// Bytes up to the entropy-coded data; 0 if they do not lie in the data altogether.
    pub(crate) fn header_length(&self) -> usize {
        self.key.header.len()
    }

    /// The blocks of one MCU, in the order of the data.
    pub(crate) fn units(&self) -> &[Unit] {
        &self.units[..self.unit_count]
    }

    /// Plans the picture whose headers `stream` has read, up to its only scan.
    ///
    /// # Errors
    /// `Corrupt` for missing or illegal tables and MCUs of more than 10 blocks.
    pub(crate) fn new(
        stream: &mut Stream<'_>,
        info: &Info,
        options: &Options<'_>,
        (kernels, conversion): (Kernels, Conversion),
        mut outcome: Outcome,
        cache: &mut TableCache,
    ) -> Result<Self, Error> {
        let scan = stream.scan;
        let rendered = conversion.components(info.components().len());
        let layout = Layout::new(&info.frame.as_scanned(), options.scale, rendered)?;
        let mut multipliers = [[0; 64]; 4];
        for &component in &scan.components[..scan.count] {
            let slot = info.components()[component].quantiser_slot;
            multipliers[component] = as_multipliers(&quantisers(stream, slot)?);
        }
        let (units, unit_count) = units(&scan, &layout)?;
        stream.tables.install_standard();
        let mut codes = vec![None; scan.count];
        if (
            scan.spectral_start,
            scan.spectral_end,
            scan.approx_high,
            scan.approx_low,
        ) != (0, 63, 0, 0)
        {
            outcome.warn(Warning::NotSequential);
        }
        let mut known = true;
        for index in 0..scan.count {
            let (dc, dc_known) = cache.find(&stream.tables, Class::Dc, scan.dc_slots[index], 15)?;
            let (ac, ac_known) =
                cache.find(&stream.tables, Class::Ac, scan.ac_slots[index], u8::MAX)?;
            known &= dc_known && ac_known;
            codes[scan.components[index]] = Some(ComponentCodes { dc, ac });
        }
        let codes: Vec<_> = codes.into_iter().flatten().collect();
        let header = stream.source.data().get(..stream.source.position());
        let data = stream.source.data().len() - header.map_or(0, <[u8]>::len);
        let worth = known || data >= DATA_FOR_LOOKUPS * distinct(&codes);
        let schedule = if kernels.has_lanes() && worth {
            let lookups: Vec<_> = codes
                .iter()
                .map(|codes| shared_codes(&codes.dc, &codes.ac))
                .collect();
            let units = units[..unit_count].iter();
            Schedule::new(
                units
                    .map(|unit| Arc::clone(&lookups[unit.component]))
                    .collect(),
            )
        } else {
            None
        };
        Ok(Self {
            key: Key::new(header.unwrap_or_default(), options),
            layout,
            conversion,
            rendered,
            pixel: options.format.bytes_per_pixel(),
            outcome,
            restart_interval: stream.restart_interval,
            units,
            unit_count,
            codes,
            schedule,
            lasting: known,
            multipliers,
        })
    }
}

/// The quantisers in a slot.
pub(crate) fn quantisers(stream: &Stream<'_>, slot: u8) -> Result<Quantisers, Error> {
    let table = stream.tables.quantisers.get(usize::from(slot)).copied();
    table.flatten().ok_or_else(|| {
        Error::corrupt(format!("quantisation table {slot} is missing")).at(stream.source.position())
    })
}

/// Quantisers as the reference multiplies: cut to 16 bits.
pub(crate) fn as_multipliers(quantisers: &Quantisers) -> Multipliers {
    quantisers.map(u16::cast_signed)
}

/// The blocks of one MCU of a scan of all components (T.81 A.2.3).
fn units(scan: &Scan, layout: &Layout) -> Result<([Unit; MAX_UNITS], usize), Error> {
    let (mut units, mut count) = ([Unit::default(); MAX_UNITS], 0);
    for &component in &scan.components[..scan.count] {
        let shape = &layout.components()[component];
        for y in 0..shape.vertical {
            for x in 0..shape.horizontal {
                let unit = units
                    .get_mut(count)
                    .ok_or_else(|| Error::corrupt("more than 10 blocks in an MCU"))?;
                *unit = Unit { component, x, y };
                count += 1;
            }
        }
    }
    Ok((units, count))
}

/// Look-ups in use anywhere in the process.
static SHARED: Mutex<Vec<Weak<Codes>>> = Mutex::new(Vec::new());

/// The look-ups of a pair of codes: those that somebody holds already, or new ones.
fn shared_codes(dc: &Arc<HuffmanTable>, ac: &Arc<HuffmanTable>) -> Arc<Codes> {
    let find = || {
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        shared.retain(|codes| codes.strong_count() > 0);
        shared
            .iter()
            .filter_map(Weak::upgrade)
            .find(|codes| codes.are_of(dc, ac))
    };
    if let Some(codes) = find() {
        return codes;
    }
    let codes = Arc::new(Codes::new(Arc::clone(dc), Arc::clone(ac)));
    let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
    shared.push(Arc::downgrade(&codes));
    codes
}
