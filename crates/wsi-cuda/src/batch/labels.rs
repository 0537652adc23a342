//! Masks on the device: labels that the CPU decodes, and the device translates.

use wsi_core::{
    Channels, Error, PixelFormat, PixelsMut, Point, Region, RegionRead, Result, SampleType,
};
use wsi_core::{Size, Slide};

use super::BatchDecoder;
use crate::device::{DlpackTensor, Element};
use crate::executor::{Argument, Buffer, Kernel};

/// What each label of a mask becomes.
///
/// # Example
/// ```
/// use wsi_cuda::LabelMap;
///
/// // Labels 0 and 3 are background, 1 and 2 tissue, and nothing else is expected.
/// let map = LabelMap::new(vec![0, 1, 1, 0], 255);
/// assert_eq!(map.label(2), 1);
/// assert_eq!(map.label(70_000), 255);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelMap {
    labels: Vec<u32>,
    other: u32,
}

impl LabelMap {
    /// Label `l` becomes `labels[l]`, or `other` where there is no such element.
    #[must_use]
    pub fn new(labels: Vec<u32>, other: u32) -> Self {
        Self { labels, other }
    }

    /// What a label becomes.
    #[must_use]
    pub fn label(&self, label: u32) -> u32 {
        let found = usize::try_from(label).ok().and_then(|l| self.labels.get(l));
        found.copied().unwrap_or(self.other)
    }
}

/// Labels on the device: item, row, column, without gaps.
#[derive(Debug)]
#[non_exhaustive]
pub struct LabelTensor {
    /// The memory.
    pub buffer: Buffer,
    /// How many pictures there are.
    pub items: usize,
    /// Width and height of each.
    pub size: Size,
    /// Bytes of a label: 1, 2 or 4; unsigned, in native order.
    pub label_bytes: u32,
    /// How each picture came out. One that could not be read has label 0, translated.
    pub results: Vec<Result<()>>,
}

impl LabelTensor {
    /// Hands the memory over as a `DLPack` tensor of items, rows and columns.
    ///
    /// # Errors
    /// `Device` if the memory is of an executor that has no device of `DLPack`'s.
    pub fn into_dlpack(self) -> Result<DlpackTensor> {
        let element = match self.label_bytes {
            1 => Element::U8,
            2 => Element::U16,
            _ => Element::U32,
        };
        let shape = [
            self.items,
            self.size.height as usize,
            self.size.width as usize,
        ];
        DlpackTensor::new(self.buffer, 0, &shape, element)
    }
}

/// Labels of a launch.
const AT_ONCE: usize = 1 << 28;

impl BatchDecoder {
    /// Reads patches of a mask, as [`read_patches`](Self::read_patches) does of a picture, and
    /// translates their labels. They are decoded on the CPU, uploaded as they are, and translated on
    /// the device; labels of `label_bytes` (1, 2 or 4) bytes come out, cut to that size.
    ///
    /// Outside of the mask and where a patch cannot be read, labels are 0 before they are translated.
    ///
    /// # Errors
    /// `InvalidArgument` if there is no such level or labels cannot have that size; `Unsupported` if
    /// the slide's pixels are no unsigned integers of one channel and up to 32 bits; `Device` if the
    /// device fails.
    pub fn read_labels(
        &mut self,
        mask: &Slide,
        level: usize,
        origins: &[Point],
        size: impl Into<Size>,
        map: &LabelMap,
        label_bytes: u32,
    ) -> Result<LabelTensor> {
        let size = size.into();
        let format = mask.info().pixel_format;
        let stored_bytes = match (format.channels, format.sample) {
            (Channels::Gray, SampleType::U8) => 1_u32,
            (Channels::Gray, SampleType::U16) => 2,
            (Channels::Gray, SampleType::U32) => 4,
            _ => return Err(Error::unsupported(format!("labels of {format}"))),
        };
        if !matches!(label_bytes, 1 | 2 | 4) {
            return Err(Error::invalid(format!("labels of {label_bytes} bytes")));
        }
        mask.pyramid().level(level)?;
        let area = usize::try_from(size.area())
            .ok()
            .filter(|&area| area <= AT_ONCE);
        let area = area.ok_or_else(|| Error::invalid(format!("patches of {size}")))?;
        let total = area.checked_mul(origins.len() * label_bytes as usize);
        let total = total.ok_or_else(|| Error::invalid("more labels than can be addressed"))?;
        let executor = &*self.executor;
        let buffer = executor.allocate(total.max(16))?;
        let table: Vec<u8> = map.labels.iter().flat_map(|l| l.to_ne_bytes()).collect();
        let table_length = u32::try_from(map.labels.len());
        let table_length = table_length.map_err(|_| Error::invalid("too many labels"))?;
        self.scratch.values.fill(executor, &table)?;

        let mut results = Vec::with_capacity(origins.len());
        let chunk = (AT_ONCE / area.max(1)).clamp(1, 256);
        for (number, origins) in origins.chunks(chunk).enumerate() {
            if area == 0 {
                results.extend(origins.iter().map(|_| Ok(())));
                continue;
            }
            let (labels, ended) = read(mask, level, origins, size, format)?;
            results.extend(ended);
            self.scratch.pixels.fill(executor, &labels)?;
            let count = area * origins.len();
            let count = u32::try_from(count).map_err(|_| Error::invalid("too many labels"))?;
            let arguments = [
                Argument::Buffer(self.scratch.pixels.buffer()?, 0),
                Argument::U32(stored_bytes),
                Argument::Buffer(self.scratch.values.buffer()?, 0),
                Argument::U32(table_length),
                Argument::U32(map.other),
                Argument::Buffer(&buffer, number * chunk * area * label_bytes as usize),
                Argument::U32(label_bytes),
                Argument::U32(count),
            ];
            executor.launch(Kernel::Remap, (count.div_ceil(256), 1), 256, &arguments)?;
        }
        executor.synchronize()?;
        Ok(LabelTensor {
            buffer,
            items: origins.len(),
            size,
            label_bytes,
            results,
        })
    }
}

/// Reads patches as they are stored, one after the other; those that cannot be read are zero.
fn read(
    mask: &Slide,
    level: usize,
    origins: &[Point],
    size: Size,
    format: PixelFormat,
) -> Result<(Vec<u8>, Vec<Result<()>>)> {
    let bytes = usize::try_from(size.area()).unwrap_or(0) * format.bytes_per_pixel();
    let mut labels = vec![0; bytes * origins.len()];
    let mut reads = Vec::with_capacity(origins.len());
    for (&origin, out) in origins.iter().zip(labels.chunks_exact_mut(bytes)) {
        reads.push(RegionRead {
            region: Region::at_level(level, origin, size),
            out: PixelsMut::packed(out, size, format)?,
        });
    }
    let results = mask.read_regions(reads);
    for (result, out) in results.iter().zip(labels.chunks_exact_mut(bytes)) {
        if result.is_err() {
            out.fill(0);
        }
    }
    Ok((labels, results))
}
