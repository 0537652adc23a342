//! One directory (IFD): its entries, and their values read when asked for.
//!
//! TIFF 6.0 section 2; BigTIFF adds 64-bit counts, offsets and types 16 to 18.

#![warn(clippy::indexing_slicing, clippy::arithmetic_side_effects)]

use std::collections::BTreeMap;

use wsi_core::{Error, Result};

use super::container::Container;

/// One directory: what is said of one picture of the file.
#[derive(Clone, Debug)]
pub struct Directory {
    offset: u64,
    entries: BTreeMap<u16, Entry>,
}

/// Type, count and place of one tag's values.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) field_type: FieldType,
    pub(super) count: u64,
    pub(super) place: Place,
}

/// Where the values of an entry are.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// In the entry itself, left-justified in the file's byte order.
    Inline([u8; 8]),
    /// At this offset of the file.
    Offset(u64),
}

/// Types of TIFF 6.0 section 2, and of BigTIFF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FieldType {
    Byte,
    Ascii,
    Short,
    Long,
    Rational,
    SignedByte,
    Undefined,
    SignedShort,
    SignedLong,
    SignedRational,
    Float,
    Double,
    Ifd,
    Long8,
    SignedLong8,
    Ifd8,
}

impl FieldType {
    pub(super) const fn from_code(code: u16) -> Option<Self> {
        Some(match code {
            1 => Self::Byte,
            2 => Self::Ascii,
            3 => Self::Short,
            4 => Self::Long,
            5 => Self::Rational,
            6 => Self::SignedByte,
            7 => Self::Undefined,
            8 => Self::SignedShort,
            9 => Self::SignedLong,
            10 => Self::SignedRational,
            11 => Self::Float,
            12 => Self::Double,
            13 => Self::Ifd,
            16 => Self::Long8,
            17 => Self::SignedLong8,
            18 => Self::Ifd8,
            _ => return None,
        })
    }

    /// Bytes of one value.
    pub(super) const fn bytes(self) -> u64 {
        match self {
            Self::Byte | Self::Ascii | Self::SignedByte | Self::Undefined => 1,
            Self::Short | Self::SignedShort => 2,
            Self::Long | Self::SignedLong | Self::Float | Self::Ifd => 4,
            Self::Rational
            | Self::SignedRational
            | Self::Double
            | Self::Long8
            | Self::SignedLong8
            | Self::Ifd8 => 8,
        }
    }
}

impl Directory {
    pub(super) const fn new(offset: u64, entries: BTreeMap<u16, Entry>) -> Self {
        Self { offset, entries }
    }

    /// Where the directory stands in the file.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// Whether it has this tag, of whatever type.
    #[must_use]
    pub fn contains(&self, tag: u16) -> bool {
        self.entries.contains_key(&tag)
    }

    /// How many values this tag has; 0 where it is absent.
    #[must_use]
    pub fn count(&self, tag: u16) -> u64 {
        self.entries.get(&tag).map_or(0, |entry| entry.count)
    }

    /// The bytes of a tag's values as stored, at most `limit`.
    fn raw(&self, file: &Container, tag: u16, limit: u64) -> Result<Option<(Entry, Vec<u8>)>> {
        let Some(&entry) = self.entries.get(&tag) else {
            return Ok(None);
        };
        let named =
            |error: Error| Error::new(error.kind(), format!("tag {tag}: {}", error.message()));
        let bytes = entry
            .count
            .checked_mul(entry.field_type.bytes())
            .ok_or_else(|| Error::corrupt(format!("tag {tag}: {} values", entry.count)))?;
        if bytes > limit {
            return Err(Error::limit(format!(
                "tag {tag}: {bytes} bytes of values, more than the {limit} allowed"
            )));
        }
        let data = match entry.place {
            Place::Inline(value) => value
                .into_iter()
                .take(usize::try_from(bytes).unwrap_or(8))
                .collect(),
            Place::Offset(offset) => file.read(offset, bytes).map_err(named)?,
        };
        Ok(Some((entry, data)))
    }

    /// The values of an integer tag; `None` if it is absent or of another type.
    pub(super) fn integers(
        &self,
        file: &Container,
        tag: u16,
        limit: u64,
    ) -> Result<Option<Vec<u64>>> {
        let Some((entry, data)) = self.raw(file, tag, limit)? else {
            return Ok(None);
        };
        let order = file.byte_order();
        Ok(match entry.field_type {
            FieldType::Byte => Some(data.iter().map(|&byte| u64::from(byte)).collect()),
            FieldType::Short => Some(
                data.chunks_exact(2)
                    .map(|bytes| u64::from(order.u16(bytes)))
                    .collect(),
            ),
            FieldType::Long | FieldType::Ifd => Some(
                data.chunks_exact(4)
                    .map(|bytes| u64::from(order.u32(bytes)))
                    .collect(),
            ),
            FieldType::Long8 | FieldType::Ifd8 => {
                Some(data.chunks_exact(8).map(|bytes| order.u64(bytes)).collect())
            }
            _ => None,
        })
    }

    /// The first value of an integer tag.
    pub(super) fn integer(&self, file: &Container, tag: u16) -> Result<Option<u64>> {
        let limit = file.limits().max_tag_bytes;
        Ok(self
            .integers(file, tag, limit)?
            .and_then(|values| values.first().copied()))
    }

    /// The values of a RATIONAL, SRATIONAL, FLOAT or DOUBLE tag; a zero denominator gives no
    /// number, and an integer type none at all, as in OpenSlide's `_openslide_tifflike_get_float`.
    pub(super) fn floats(&self, file: &Container, tag: u16) -> Result<Option<Vec<f64>>> {
        let Some((entry, data)) = self.raw(file, tag, file.limits().max_tag_bytes)? else {
            return Ok(None);
        };
        let order = file.byte_order();
        let ratio = |numerator: f64, denominator: f64| match denominator == 0.0 {
            true => f64::NAN,
            false => numerator / denominator,
        };
        Ok(match entry.field_type {
            FieldType::Rational => Some(
                data.chunks_exact(8)
                    .map(|pair| {
                        let (numerator, denominator) = pair.split_at(4);
                        ratio(order.u32(numerator).into(), order.u32(denominator).into())
                    })
                    .collect(),
            ),
            FieldType::SignedRational => Some(
                data.chunks_exact(8)
                    .map(|pair| {
                        let (numerator, denominator) = pair.split_at(4);
                        ratio(
                            order.u32(numerator).cast_signed().into(),
                            order.u32(denominator).cast_signed().into(),
                        )
                    })
                    .collect(),
            ),
            FieldType::Float => Some(
                data.chunks_exact(4)
                    .map(|bytes| f64::from(f32::from_bits(order.u32(bytes))))
                    .collect(),
            ),
            FieldType::Double => Some(
                data.chunks_exact(8)
                    .map(|bytes| f64::from_bits(order.u64(bytes)))
                    .collect(),
            ),
            _ => None,
        })
    }

    /// The bytes of a tag of a byte-like type (BYTE, ASCII, UNDEFINED); `None` for other types.
    pub(super) fn bytes(&self, file: &Container, tag: u16) -> Result<Option<Vec<u8>>> {
        let raw = self.raw(file, tag, file.limits().max_tag_bytes)?;
        Ok(raw.and_then(|(entry, data)| match entry.field_type {
            FieldType::Byte | FieldType::Ascii | FieldType::Undefined | FieldType::SignedByte => {
                Some(data)
            }
            _ => None,
        }))
    }
}
