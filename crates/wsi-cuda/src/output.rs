//! What a batch becomes: a tensor on the device, of bytes or of normalised numbers.
//!
//! Normalised values are not computed on the device. There are 256 of them for each channel; they
//! are worked out here in double precision, rounded once, and looked up by sample. So a device, the
//! host and any other program that does the same agree to the bit.

use half::{bf16, f16};
use wsi_core::{Channels, Error, Fill, PixelFormat, Result, SampleType, Size};

use crate::device::{DlpackTensor, Element};
use crate::executor::Buffer;

/// The order of a tensor's axes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_enums, reason = "the two that are in use")]
pub enum TensorLayout {
    /// Item, row, column, channel.
    #[default]
    Nhwc,
    /// Item, channel, row, column.
    Nchw,
}

/// The type of a tensor's elements.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ElementType {
    /// Unsigned, 8 bits: samples as they are.
    #[default]
    U8,
    /// IEEE 754 half precision.
    F16,
    /// The upper half of single precision.
    Bf16,
    /// IEEE 754 single precision.
    F32,
}

impl ElementType {
    /// Bytes of an element.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::U8 => 1,
            Self::F16 | Self::Bf16 => 2,
            Self::F32 => 4,
        }
    }

    /// The number that the finishing kernel knows it by.
    pub(crate) const fn code(self) -> u32 {
        match self {
            Self::U8 => 0,
            Self::F16 | Self::Bf16 => 1,
            Self::F32 => 2,
        }
    }
}

/// `(sample / 255 - mean) / deviation`, by channel. Gray pictures take the first.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "complete by nature")]
pub struct Normalisation {
    /// What is subtracted.
    pub mean: [f64; 3],
    /// What is divided by; not zero.
    pub deviation: [f64; 3],
}

impl Default for Normalisation {
    /// Mean 0 and deviation 1: samples from 0 to 1.
    fn default() -> Self {
        Self {
            mean: [0.0; 3],
            deviation: [1.0; 3],
        }
    }
}

/// How pixels are laid out on the device.
///
/// # Example
/// ```
/// use wsi_cuda::{ElementType, Normalisation, Output, TensorLayout};
///
/// let output = Output::new()
///     .with_layout(TensorLayout::Nchw)
///     .with_element(ElementType::F16)
///     .with_normalisation(Normalisation {
///         mean: [0.485, 0.456, 0.406],
///         deviation: [0.229, 0.224, 0.225],
///     });
/// assert_eq!(output.element().bytes(), 2);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Output {
    layout: TensorLayout,
    element: ElementType,
    normalisation: Normalisation,
    fill: Fill,
}

impl Output {
    /// Bytes as they are, channels side by side, white outside of the slide.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The order of the axes. Default: [`TensorLayout::Nhwc`].
    #[must_use]
    pub fn with_layout(mut self, layout: TensorLayout) -> Self {
        self.layout = layout;
        self
    }

    /// The type of the elements. Default: [`ElementType::U8`].
    #[must_use]
    pub fn with_element(mut self, element: ElementType) -> Self {
        self.element = element;
        self
    }

    /// How samples become numbers; bytes stay as they are. Default: `sample / 255`.
    #[must_use]
    pub fn with_normalisation(mut self, normalisation: Normalisation) -> Self {
        self.normalisation = normalisation;
        self
    }

    /// What lies outside of the slide, before it is normalised. Default: white, or 0 for gray.
    #[must_use]
    pub fn with_fill(mut self, fill: Fill) -> Self {
        self.fill = fill;
        self
    }

    /// The order of the axes.
    #[must_use]
    pub fn layout(&self) -> TensorLayout {
        self.layout
    }

    /// The type of the elements.
    #[must_use]
    pub fn element(&self) -> ElementType {
        self.element
    }

    /// What lies outside of the slide.
    #[must_use]
    pub fn fill(&self) -> Fill {
        self.fill
    }

    /// The elements of a pixel's samples, by channel and sample, as bytes in native order; nothing
    /// for bytes.
    ///
    /// # Errors
    /// `InvalidArgument` if a deviation is zero or a number not finite.
    pub fn table(&self) -> Result<Vec<u8>> {
        let Normalisation { mean, deviation } = self.normalisation;
        let finite = |values: [f64; 3]| values.iter().all(|value| value.is_finite());
        if !finite(mean) || !finite(deviation) || deviation.contains(&0.0) {
            return Err(Error::invalid(format!(
                "a normalisation with mean {mean:?} and deviation {deviation:?}"
            )));
        }
        let mut bytes = Vec::new();
        for (mean, deviation) in mean.into_iter().zip(deviation) {
            for sample in 0..=255_u8 {
                let value = (f64::from(sample) / 255.0 - mean) / deviation;
                match self.element {
                    ElementType::U8 => {}
                    // The hardware's conversion would round twice, by way of single precision.
                    ElementType::F16 => bytes.extend(f16::from_f64_const(value).to_ne_bytes()),
                    ElementType::Bf16 => bytes.extend(bf16::from_f64_const(value).to_ne_bytes()),
                    ElementType::F32 => bytes.extend(single(value).to_ne_bytes()),
                }
            }
        }
        Ok(bytes)
    }
}

#[expect(clippy::cast_possible_truncation, reason = "rounded to the nearest, which is meant")]
fn single(value: f64) -> f32 {
    value as f32
}

/// A tensor on the device: pictures of one size.
#[derive(Debug)]
pub struct DeviceTensor {
    buffer: Buffer,
    items: usize,
    size: Size,
    channels: u32,
    layout: TensorLayout,
    element: ElementType,
}

impl DeviceTensor {
    /// A tensor of `items` pictures in `buffer`.
    ///
    /// # Errors
    /// `InvalidArgument` if it does not fit in the buffer or has a side or plane of more than 2^31
    /// elements.
    pub fn new(
        buffer: Buffer,
        items: usize,
        size: Size,
        channels: u32,
        output: &Output,
    ) -> Result<Self> {
        let needed = bytes_of(items, size, channels, output.element)?;
        if needed > buffer.len() {
            return Err(Error::invalid(format!(
                "a tensor of {needed} bytes in a buffer of {}",
                buffer.len()
            )));
        }
        Ok(Self {
            buffer,
            items,
            size,
            channels,
            layout: output.layout,
            element: output.element,
        })
    }

    /// The memory, which the tensor begins.
    #[must_use]
    pub fn buffer(&self) -> &Buffer {
        &self.buffer
    }

    /// The memory, given away.
    #[must_use]
    pub fn into_buffer(self) -> Buffer {
        self.buffer
    }

    /// Hands the memory over as a `DLPack` tensor of this tensor's [shape](Self::shape).
    ///
    /// # Errors
    /// `Device` if the memory is of an executor that has no device of `DLPack`'s.
    pub fn into_dlpack(self) -> Result<DlpackTensor> {
        let element = match self.element {
            ElementType::U8 => Element::U8,
            ElementType::F16 => Element::F16,
            ElementType::Bf16 => Element::Bf16,
            ElementType::F32 => Element::F32,
        };
        let shape = self.shape();
        DlpackTensor::new(self.buffer, 0, &shape, element)
    }

    /// How many pictures there are.
    #[must_use]
    pub fn items(&self) -> usize {
        self.items
    }

    /// Width and height of a picture.
    #[must_use]
    pub fn size(&self) -> Size {
        self.size
    }

    /// Samples of a pixel: 1 or 3.
    #[must_use]
    pub fn channels(&self) -> u32 {
        self.channels
    }

    /// The order of the axes.
    #[must_use]
    pub fn layout(&self) -> TensorLayout {
        self.layout
    }

    /// The type of the elements.
    #[must_use]
    pub fn element(&self) -> ElementType {
        self.element
    }

    /// Lengths of the axes, the first one first. Elements lie without gaps, the last axis fastest.
    #[must_use]
    pub fn shape(&self) -> [usize; 4] {
        let (width, height) = (self.size.width as usize, self.size.height as usize);
        let channels = self.channels as usize;
        match self.layout {
            TensorLayout::Nhwc => [self.items, height, width, channels],
            TensorLayout::Nchw => [self.items, channels, height, width],
        }
    }

    /// Bytes of all elements.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.shape().iter().product::<usize>() * self.element.bytes()
    }

    /// Elements from one column, row and channel to the next. They have been checked to be below
    /// 2^31.
    pub(crate) fn strides(&self) -> [u32; 3] {
        let (width, height) = (self.size.width, self.size.height);
        match self.layout {
            TensorLayout::Nhwc => [self.channels, width * self.channels, 1],
            TensorLayout::Nchw => [1, width, width * height],
        }
    }

    /// Elements of a picture.
    pub(crate) fn item_elements(&self) -> u64 {
        self.size.area() * u64::from(self.channels)
    }
}

/// Bytes of a tensor.
pub(crate) fn bytes_of(
    items: usize,
    size: Size,
    channels: u32,
    element: ElementType,
) -> Result<usize> {
    let plane = size.area();
    let row = u64::from(size.width) * u64::from(channels);
    let bytes = (plane <= 1 << 31 && row <= 1 << 31)
        .then(|| usize::try_from(plane * u64::from(channels)).ok())
        .flatten()
        .and_then(|item| item.checked_mul(items))
        .and_then(|elements| elements.checked_mul(element.bytes()))
        .filter(|&bytes| isize::try_from(bytes).is_ok());
    bytes.ok_or_else(|| Error::invalid(format!("a tensor of {items} pictures of {size}")))
}

/// How many channels pictures of this format have on the device, and the format in which the CPU
/// gives them.
///
/// # Errors
/// `Unsupported` for what is neither colour nor gray of 8 bits.
pub(crate) fn channels_of(format: PixelFormat) -> Result<(u32, PixelFormat)> {
    match (format.channels, format.sample) {
        (Channels::Gray, SampleType::U8) => Ok((1, PixelFormat::GRAY8)),
        (Channels::Gray, _) => Err(Error::unsupported(format!(
            "pixels of {format} as a picture: only labels of that type"
        ))),
        _ => Ok((3, PixelFormat::RGB8)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_rounded_once() {
        let output = Output::new().with_element(ElementType::F32);
        let table = output.table().unwrap();
        assert_eq!(table.len(), 3 * 256 * 4);
        let at = |index: usize| f32::from_ne_bytes(table[4 * index..][..4].try_into().unwrap());
        assert_eq!((at(0), at(255), at(256 + 51)), (0.0, 1.0, 0.2));
        let half = Output::new()
            .with_element(ElementType::F16)
            .with_normalisation(Normalisation {
                mean: [0.5; 3],
                deviation: [0.25; 3],
            });
        let table = half.table().unwrap();
        assert_eq!(table[..2], f16::from_f32(-2.0).to_ne_bytes());
        assert_eq!(table[510..512], f16::from_f32(2.0).to_ne_bytes());
    }

    #[test]
    fn a_deviation_of_zero_is_refused() {
        let normalisation = Normalisation {
            mean: [0.0; 3],
            deviation: [1.0, 0.0, 1.0],
        };
        let output = Output::new().with_normalisation(normalisation);
        assert!(output.table().is_err());
    }

    #[test]
    fn a_tensor_that_does_not_fit_is_refused() {
        let buffer = |bytes| Buffer::new(bytes, Box::new(()));
        let output = Output::new();
        let tensor = |bytes| DeviceTensor::new(buffer(bytes), 2, Size::new(4, 5), 3, &output);
        assert!(tensor(119).is_err());
        let tensor = tensor(120).unwrap();
        assert_eq!(tensor.shape(), [2, 5, 4, 3]);
        assert_eq!(tensor.strides(), [3, 12, 1]);
        let huge = Size::new(u32::MAX, u32::MAX);
        assert!(DeviceTensor::new(buffer(9), 2, huge, 3, &output).is_err());
    }
}
