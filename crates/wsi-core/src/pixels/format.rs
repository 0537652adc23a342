//! What a pixel is made of.

/// The type of one sample, in the machine's own byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SampleType {
    /// Unsigned, 8 bits.
    U8,
    /// Signed, 8 bits.
    I8,
    /// Unsigned, 16 bits.
    U16,
    /// Signed, 16 bits.
    I16,
    /// Unsigned, 32 bits.
    U32,
    /// Signed, 32 bits.
    I32,
    /// Unsigned, 64 bits.
    U64,
    /// Signed, 64 bits.
    I64,
    /// IEEE 754 half precision, 16 bits.
    F16,
    /// IEEE 754 single precision, 32 bits.
    F32,
    /// IEEE 754 double precision, 64 bits.
    F64,
}

impl SampleType {
    /// Bytes of one sample.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 | Self::F16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }

    /// The NumPy name, as `uint8` or `float32`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::U8 => "uint8",
            Self::I8 => "int8",
            Self::U16 => "uint16",
            Self::I16 => "int16",
            Self::U32 => "uint32",
            Self::I32 => "int32",
            Self::U64 => "uint64",
            Self::I64 => "int64",
            Self::F16 => "float16",
            Self::F32 => "float32",
            Self::F64 => "float64",
        }
    }

    /// An 8-bit value scaled to the range of this type: unsigned integers to their full range,
    /// floats to 0..=1, signed integers unscaled (and at most 127).
    pub(super) fn scale_u8(self, value: u8) -> Vec<u8> {
        let unit = f32::from(value) / 255.0;
        match self {
            Self::U8 => vec![value],
            Self::I8 => vec![value.min(127)],
            Self::U16 => (u16::from(value) * 0x0101).to_ne_bytes().to_vec(),
            Self::I16 => i16::from(value).to_ne_bytes().to_vec(),
            Self::U32 => (u32::from(value) * 0x0101_0101).to_ne_bytes().to_vec(),
            Self::I32 => i32::from(value).to_ne_bytes().to_vec(),
            Self::U64 => (u64::from(value) * 0x0101_0101_0101_0101)
                .to_ne_bytes()
                .to_vec(),
            Self::I64 => i64::from(value).to_ne_bytes().to_vec(),
            // Half precision keeps only black and white: nobody fills with another colour there.
            Self::F16 => (if value >= 128 { 0x3C00_u16 } else { 0 })
                .to_ne_bytes()
                .to_vec(),
            Self::F32 => unit.to_ne_bytes().to_vec(),
            Self::F64 => f64::from(unit).to_ne_bytes().to_vec(),
        }
    }
}

/// What the samples of a pixel stand for, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Channels {
    /// One sample: gray, a label, a palette index, one fluorescence channel.
    Gray,
    /// Gray and alpha.
    GrayAlpha,
    /// Red, green, blue.
    Rgb,
    /// Red, green, blue, alpha; colour not multiplied with alpha unless the file stores it so.
    Rgba,
    /// Cyan, magenta, yellow, black.
    Cmyk,
    /// Luma, blue and red difference, as stored.
    YCbCr,
    /// CIE L*a*b* as stored.
    Lab,
    /// This many samples of any other meaning.
    Other(u16),
}

impl Channels {
    /// Samples per pixel.
    #[must_use]
    pub const fn count(self) -> u16 {
        match self {
            Self::Gray => 1,
            Self::GrayAlpha => 2,
            Self::Rgb | Self::YCbCr | Self::Lab => 3,
            Self::Rgba | Self::Cmyk => 4,
            Self::Other(count) => count,
        }
    }
}

/// Channels and sample type of a pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(clippy::exhaustive_structs, reason = "complete by nature")]
pub struct PixelFormat {
    /// What the samples stand for.
    pub channels: Channels,
    /// The type of each sample.
    pub sample: SampleType,
}

impl PixelFormat {
    /// 8-bit gray or labels.
    pub const GRAY8: Self = Self::new(Channels::Gray, SampleType::U8);
    /// 16-bit gray or labels.
    pub const GRAY16: Self = Self::new(Channels::Gray, SampleType::U16);
    /// 32-bit labels.
    pub const GRAY32: Self = Self::new(Channels::Gray, SampleType::U32);
    /// Single precision gray.
    pub const GRAY_F32: Self = Self::new(Channels::Gray, SampleType::F32);
    /// 8-bit colour.
    pub const RGB8: Self = Self::new(Channels::Rgb, SampleType::U8);
    /// 8-bit colour with alpha.
    pub const RGBA8: Self = Self::new(Channels::Rgba, SampleType::U8);
    /// 16-bit colour.
    pub const RGB16: Self = Self::new(Channels::Rgb, SampleType::U16);
    /// 16-bit colour with alpha.
    pub const RGBA16: Self = Self::new(Channels::Rgba, SampleType::U16);

    /// Pixels of `channels`, each sample of type `sample`.
    #[must_use]
    pub const fn new(channels: Channels, sample: SampleType) -> Self {
        Self { channels, sample }
    }

    /// Bytes of one pixel.
    #[must_use]
    pub const fn bytes_per_pixel(self) -> usize {
        self.channels.count() as usize * self.sample.bytes()
    }
}

impl std::fmt::Display for PixelFormat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.channels {
            Channels::Other(count) => write!(f, "{count} channels {}", self.sample.name()),
            channels => write!(f, "{channels:?} {}", self.sample.name()),
        }
    }
}
