//! The batches of a `PatchReader` on a device: where the decoder and the reader's plan meet.

use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use wsi_core::{Error, PixelFormat, Plane, Point, Rect, Region, Result};
use wsi_cuda::{BatchDecoder, DeviceTensor, Output};
use wsi_tiling::PatchReader;

/// Patches on a device.
#[derive(Debug)]
#[non_exhaustive]
pub struct DeviceBatch {
    /// Which patches, by their numbers in the places that the reader was made with.
    pub indices: Vec<usize>,
    /// Their pixels, complete: nothing has to be waited for.
    pub tensor: DeviceTensor,
}

/// The batches of a [`PatchReader`], decoded on a device ahead of who uses them.
///
/// Places, order, batch size, `drop_last`, prefetch and threads are the reader's; type and layout of
/// the elements, normalisation and fill are those of an [`Output`]. A thread of its own decodes the
/// next batches meanwhile. A batch with a patch that cannot be read is an error that names it; the
/// batches behind it come all the same.
///
/// ```no_run
/// use wsi::cuda::{BatchDecoder, ElementType, Output, TensorLayout};
/// use wsi::{DeviceBatches, tiling::PatchReader};
///
/// let slide = wsi::open("slide.svs")?;
/// let reader = PatchReader::level0(&slide, 0, (224, 224), [(1000, 2000), (5000, 700)])?
///     .with_batch_size(256)
///     .with_shuffle(7);
/// let output = Output::new()
///     .with_layout(TensorLayout::Nchw)
///     .with_element(ElementType::F16);
/// let decoder = BatchDecoder::on_device(0)?;
/// let mut batches = DeviceBatches::start(&reader, decoder, output)?;
/// while let Some(batch) = batches.next() {
///     let batch = batch?;
///     // ... a training step on batch.tensor; or hand it on by `into_dlpack` ...
///     batches.reuse(batch);
/// }
/// # Ok::<(), wsi::Error>(())
/// ```
#[derive(Debug)]
pub struct DeviceBatches {
    /// `None` once this is being dropped, which the decoding thread takes as a sign to end.
    ready: Option<Receiver<Result<DeviceBatch>>>,
    spare: Sender<DeviceTensor>,
    decoder: Arc<Mutex<BatchDecoder>>,
    left: usize,
    decoding: Option<JoinHandle<()>>,
}

impl DeviceBatches {
    /// Starts to decode.
    ///
    /// # Errors
    /// `Unsupported` if the reader wants another format or plane than a device gives, or a place lies
    /// between the pixels of its level; `InvalidArgument` if threads cannot be started.
    pub fn start(reader: &PatchReader, decoder: BatchDecoder, output: Output) -> Result<Self> {
        let of_slide = match reader.slide().info().pixel_format {
            PixelFormat::GRAY8 => PixelFormat::GRAY8,
            _ => PixelFormat::RGB8,
        };
        if reader.format() != of_slide {
            let message = format!("{} on a device, which gives {of_slide}", reader.format());
            return Err(Error::unsupported(message).at_path(reader.slide().path()));
        }
        let plan = reader.plan();
        let places = plan.iter().map(|indices| {
            let places = indices.iter().map(|&index| place(reader, index));
            places.collect::<Result<Vec<_>>>()
        });
        let places = places.collect::<Result<Vec<_>>>()?;
        let left = plan.len();
        let (spare, spares) = channel();
        let (send, ready) = sync_channel(reader.prefetch());
        let decoder = Arc::new(Mutex::new(decoder));
        let work = Work {
            reader: reader.clone(),
            decoder: Arc::clone(&decoder),
            output,
            spares,
        };
        let pool = reader.pool()?;
        let decoding = std::thread::Builder::new()
            .name("device batches".to_owned())
            .spawn(move || {
                let batches = plan.into_iter().zip(places);
                pool.install(move || work.run(batches, &send));
            })
            .map_err(|error| Error::invalid("cannot start a thread").with_source(error))?;
        Ok(Self {
            ready: Some(ready),
            spare,
            decoder,
            left,
            decoding: Some(decoding),
        })
    }

    /// Gives a batch back, so that a later one takes its memory instead of new memory.
    pub fn reuse(&self, batch: DeviceBatch) {
        // If all has been decoded, nobody is left to take it.
        drop(self.spare.send(batch.tensor));
    }

    /// The elements of a batch, as bytes in native order. Waits for the batch that is being decoded.
    ///
    /// # Errors
    /// `Device` if they cannot be copied.
    pub fn download(&self, batch: &DeviceBatch) -> Result<Vec<u8>> {
        lock(&self.decoder).download(&batch.tensor)
    }
}

impl Iterator for DeviceBatches {
    type Item = Result<DeviceBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = self.ready.as_ref()?.recv().ok()?;
        self.left = self.left.saturating_sub(1);
        Some(batch)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.left, Some(self.left))
    }
}

impl ExactSizeIterator for DeviceBatches {}

impl Drop for DeviceBatches {
    fn drop(&mut self) {
        drop(self.ready.take());
        if let Some(decoding) = self.decoding.take() {
            // A panic in there was a panic of a source; there is nothing left to tell.
            drop(decoding.join());
        }
    }
}

/// What the decoding thread has.
struct Work {
    reader: PatchReader,
    decoder: Arc<Mutex<BatchDecoder>>,
    output: Output,
    spares: Receiver<DeviceTensor>,
}

/// The numbers of the patches of a batch, and their level and place on it.
type Planned = (Vec<usize>, Vec<(usize, Rect)>);

impl Work {
    fn run(&self, batches: impl Iterator<Item = Planned>, ready: &SyncSender<Result<DeviceBatch>>) {
        for (indices, places) in batches {
            if ready.send(self.decode(indices, &places)).is_err() {
                return;
            }
        }
    }

    fn decode(&self, indices: Vec<usize>, places: &[(usize, Rect)]) -> Result<DeviceBatch> {
        let Some(&(level, first)) = places.first() else {
            return Err(Error::invalid("a batch without patches"));
        };
        let origins: Vec<Point> = places.iter().map(|(_, rect)| rect.origin).collect();
        let slide = self.reader.slide();
        let mut decoder = lock(&self.decoder);
        let fits = |tensor: &DeviceTensor| tensor.items() == origins.len();
        let (tensor, report) = match self.spares.try_iter().find(fits) {
            Some(tensor) => {
                let report =
                    decoder.read_patches_into(slide, level, &origins, &self.output, &tensor)?;
                (tensor, report)
            }
            None => {
                let decoded =
                    decoder.read_patches(slide, level, &origins, first.size, &self.output)?;
                (decoded.tensor, decoded.report)
            }
        };
        if let Some((position, error)) = report.first_error() {
            let index = indices.get(position).copied().unwrap_or(position);
            let message = format!("patch {index}: {error}");
            return Err(Error::new(error.kind(), message));
        }
        Ok(DeviceBatch { indices, tensor })
    }
}

/// The level of a patch, and where on it the patch lies.
fn place(reader: &PatchReader, index: usize) -> Result<(usize, Rect)> {
    let region: Region = reader.region(index)?;
    let slide = reader.slide();
    let unsupported = |what: &str| {
        let message = format!("patch {index} {what}, on a device");
        Err(Error::unsupported(message).at_path(slide.path()))
    };
    if region.plane != Plane(0) {
        return unsupported("of another plane than the first");
    }
    let level = slide.pyramid().level(region.level)?;
    let whole = Rect::new((0, 0), region.size);
    match &region.placements(level)[..] {
        [only] if only.target == whole => match only.aligned() {
            Some(origin) => Ok((
                region.level,
                Rect {
                    origin,
                    size: region.size,
                },
            )),
            None => unsupported("between the pixels of its level"),
        },
        _ => unsupported("that starts before the slide, or is larger than 4096 pixels"),
    }
}

fn lock(decoder: &Mutex<BatchDecoder>) -> MutexGuard<'_, BatchDecoder> {
    decoder.lock().unwrap_or_else(PoisonError::into_inner)
}
