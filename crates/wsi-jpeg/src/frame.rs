//! The frame header, and what can be said of a picture before anything is decoded.

use crate::error::{Error, Outcome, Warning};
use crate::markers::{Reached, Stream};
use crate::options::ColorModel;
use crate::scale::Scale;
use crate::tables::{TableSet, Tables};

/// The coding process, T.81 table B.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Process {
    /// Baseline sequential DCT, SOF0.
    Baseline,
    /// Extended sequential DCT, SOF1.
    Extended,
    /// Progressive DCT, SOF2.
    Progressive,
    /// Lossless, SOF3.
    Lossless,
}

/// One component of the frame header.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Component {
    /// Identifier, any byte.
    pub id: u8,
    /// Horizontal sampling factor.
    pub horizontal: u8,
    /// Vertical sampling factor.
    pub vertical: u8,
    /// Number of its quantisation table.
    pub quantiser_slot: u8,
}

/// A frame header as it stands in the data, T.81 B.2.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) process: Process,
    pub(crate) bits: u8,
    pub(crate) width: u32,
    pub(crate) height: u32,
    count: usize,
    components: [Component; 4],
}

impl Frame {
    pub(crate) fn new(process: Process, bits: u8, width: u32, height: u32) -> Self {
        Self {
            process,
            bits,
            width,
            height,
            count: 0,
            components: [Component::default(); 4],
        }
    }

    /// Sets the number of components; `false` if there is no room for them.
    pub(crate) fn set_count(&mut self, count: u8) -> bool {
        self.count = usize::from(count);
        self.count <= self.components.len()
    }

    pub(crate) fn components(&self) -> &[Component] {
        self.components
            .get(..self.count)
            .unwrap_or(&self.components)
    }

    pub(crate) fn components_mut(&mut self) -> &mut [Component] {
        let count = self.count.min(self.components.len());
        &mut self.components[..count]
    }

    /// The frame as a scan of all its components sees it: one component alone is not interleaved,
    /// and its sampling factors have no meaning (T.81 A.2.2).
    pub(crate) fn as_scanned(&self) -> Self {
        let mut frame = *self;
        if let [component] = frame.components_mut() {
            component.horizontal = 1;
            component.vertical = 1;
        }
        frame
    }

    /// Checks what libjpeg checks when it meets the first scan (`initial_setup`).
    fn validate(&self) -> Result<(), Error> {
        let legal = match self.process {
            Process::Lossless => (2..=16).contains(&self.bits),
            _ => self.bits == 8 || self.bits == 12,
        };
        if !legal {
            return Err(Error::unsupported(format!("{} bits per sample", self.bits)));
        }
        for component in self.components() {
            if !(1..=4).contains(&component.horizontal) || !(1..=4).contains(&component.vertical) {
                return Err(Error::corrupt(format!(
                    "sampling factors {} x {}",
                    component.horizontal, component.vertical
                )));
            }
        }
        Ok(())
    }
}

/// What the headers of a picture say, read without decoding anything.
///
/// # Example
/// ```
/// use wsi_jpeg::Info;
///
/// // A container compares this with its own tile size before it hands out memory.
/// let not_a_picture = Info::read(&[0xFF, 0xD8, 0xFF, 0xD9], None);
/// assert!(not_a_picture.is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Info {
    pub(crate) frame: Frame,
    color: ColorModel,
    restart_interval: u16,
}

impl Info {
    /// Reads the headers up to the first scan.
    ///
    /// `tables` are those that the decode will get; they do not change the answer for a legal
    /// picture.
    ///
    /// # Errors
    /// [`Corrupt`](crate::ErrorKind::Corrupt) if the headers break the rules or there is no scan,
    /// [`Unsupported`](crate::ErrorKind::Unsupported) for processes that this crate lacks
    /// (arithmetic coding, hierarchical, JPEG-LS), other bit depths, or more than 4 components.
    pub fn read(data: &[u8], tables: Option<&Tables>) -> Result<Self, Error> {
        let set = tables.map_or_else(TableSet::default, |tables| tables.set().clone());
        let mut stream = Stream::open(data, set)?;
        Self::from_stream(&mut stream, &mut Outcome::default())
    }

    /// Reads up to the first scan and leaves the stream there.
    pub(crate) fn from_stream(
        stream: &mut Stream<'_>,
        outcome: &mut Outcome,
    ) -> Result<Self, Error> {
        let reached = stream.read_markers(outcome)?;
        let (Reached::Scan, Some(frame)) = (reached, stream.frame) else {
            return Err(Error::corrupt("no picture").at(stream.source.position()));
        };
        frame.validate()?;
        let color = guess_color(stream, &frame, outcome);
        Ok(Self {
            frame,
            color,
            restart_interval: stream.restart_interval,
        })
    }

    /// Width in pixels.
    #[must_use]
    pub fn width(&self) -> u32 {
        self.frame.width
    }

    /// Height in pixels.
    #[must_use]
    pub fn height(&self) -> u32 {
        self.frame.height
    }

    /// Width and height of a decode at this scale, in pixels. Lossless pictures are not scaled.
    #[must_use]
    pub fn scaled_size(&self, scale: Scale) -> (u32, u32) {
        if self.frame.process == Process::Lossless {
            return (self.width(), self.height());
        }
        (scale.apply(self.width()), scale.apply(self.height()))
    }

    /// Bits per sample: 8 or 12, or 2 to 16 for lossless pictures.
    #[must_use]
    pub fn bits(&self) -> u8 {
        self.frame.bits
    }

    /// The coding process.
    #[must_use]
    pub fn process(&self) -> Process {
        self.frame.process
    }

    /// The components in frame order, 1 to 4 of them.
    #[must_use]
    pub fn components(&self) -> &[Component] {
        self.frame.components()
    }

    /// The colour model that the picture's own marks suggest, by libjpeg-turbo's rules.
    ///
    /// A container that knows better overrides it with
    /// [`Options::with_color`](crate::Options::with_color).
    #[must_use]
    pub fn color(&self) -> ColorModel {
        self.color
    }

    /// MCUs between restart markers; 0 for none.
    #[must_use]
    pub fn restart_interval(&self) -> u16 {
        self.restart_interval
    }
}

/// The colour model by JFIF, Adobe and component ids (libjpeg-turbo `default_decompress_parms`).
fn guess_color(stream: &Stream<'_>, frame: &Frame, outcome: &mut Outcome) -> ColorModel {
    let mut unknown = |transform, model| {
        outcome.warn(Warning::UnknownAdobeTransform(transform));
        model
    };
    match (frame.components(), stream.jfif, stream.adobe) {
        ([_], ..) => ColorModel::Gray,
        ([_, _, _], true, _) | ([_, _, _], _, Some(1)) => ColorModel::YCbCr,
        ([_, _, _], _, Some(0)) => ColorModel::Rgb,
        ([_, _, _], _, Some(transform)) => unknown(transform, ColorModel::YCbCr),
        ([a, b, c], ..) => match [a.id, b.id, c.id] {
            [b'R', b'G', b'B'] => ColorModel::Rgb,
            _ if frame.process == Process::Lossless => ColorModel::Rgb,
            _ => ColorModel::YCbCr,
        },
        ([_, _, _, _], _, None | Some(0)) => ColorModel::Cmyk,
        ([_, _, _, _], _, Some(2)) => ColorModel::Ycck,
        ([_, _, _, _], _, Some(transform)) => unknown(transform, ColorModel::Ycck),
        _ => ColorModel::Unknown,
    }
}
