//! One batch again and again, each step by itself: for timing, where everything that is not the step
//! must have been done before.

use std::collections::HashMap;

use wsi_core::{Error, PixelFormat, Result};

use super::engine::{self, Engine};
use super::placement::Placements;
use super::source::Streams;
use super::{BatchDecoder, check_tensor};
use crate::executor::Staging;
use crate::output::{DeviceTensor, Output};
use crate::plan::{Plan, Planner, StreamFormat};

/// A batch that has been planned: streams without stuffing, in memory that uploads are fastest from.
#[derive(Debug)]
pub struct Prepared {
    plan: Plan,
    stream: Staging,
    format: StreamFormat,
    /// The number of each tile, which is its place.
    numbers: Vec<usize>,
    placements: Placements,
}

impl Prepared {
    /// How many pictures there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.numbers.is_empty()
    }

    /// Bytes that an upload copies, but for descriptors and tables.
    #[must_use]
    pub fn stream_bytes(&self) -> usize {
        self.stream.len()
    }
}

impl BatchDecoder {
    /// Plans streams of one size, as [`decode_streams`](Self::decode_streams) does, in one batch.
    ///
    /// # Errors
    /// `Unsupported` if one of them is not for the kernels, or all are too many for one batch;
    /// `Device` if there is no memory to upload from.
    pub fn prepare_streams(&self, format: &StreamFormat, streams: &[&[u8]]) -> Result<Prepared> {
        let mut planner = Planner::new(format).with_slicing(self.slicing);
        for (number, stream) in streams.iter().enumerate() {
            let refused = |refusal| Error::unsupported(format!("stream {number}: {refusal}"));
            planner.add(stream).map_err(refused)?;
        }
        let mut plan = planner.finish();
        let mut stream = self.executor.staging(plan.stream.len())?;
        stream.copy_from_slice(&plan.stream);
        plan.stream = Vec::new();
        Ok(Prepared {
            plan,
            stream,
            format: format.clone(),
            numbers: (0..streams.len()).collect(),
            placements: Placements::of_streams(streams.len(), format.size),
        })
    }

    /// Uploads a batch.
    ///
    /// # Errors
    /// `Device` if there is not enough memory or the device fails.
    pub fn upload_prepared(&mut self, prepared: &Prepared, output: &Output) -> Result<()> {
        let executor = &*self.executor;
        self.scratch.values.fill(executor, &output.table()?)?;
        engine::upload(
            executor,
            &mut self.scratch,
            &prepared.plan,
            &prepared.stream,
        )
    }

    /// Launches the kernels over the batch that was uploaded last, and does not wait for them.
    ///
    /// # Errors
    /// `InvalidArgument` for a tensor that does not fit; `Device` if the device fails, or nothing was
    /// uploaded.
    pub fn launch_prepared(
        &mut self,
        prepared: &Prepared,
        output: &Output,
        tensor: &DeviceTensor,
    ) -> Result<()> {
        let Prepared {
            plan,
            format,
            numbers,
            placements,
            ..
        } = prepared;
        check_tensor(
            tensor,
            numbers.len(),
            format.size,
            tensor.channels(),
            output,
        )?;
        if numbers.is_empty() {
            return Ok(());
        }
        let source = Streams {
            format,
            streams: &[],
            pixels: PixelFormat::RGB8,
        };
        let mut engine = Engine {
            executor: &*self.executor,
            scratch: &mut self.scratch,
            slicing: self.slicing,
            budget: self.batch_bytes,
            source: &source,
            placements,
            tensor,
            fill: 0,
            failed: HashMap::new(),
            by_cpu: Vec::new(),
        };
        engine.launch(plan, numbers)
    }

    /// Waits for the kernels, and tells what they flagged: for each picture of the batch, bits of
    /// [`flag`](crate::layout::flag).
    ///
    /// # Errors
    /// `Device` with what they ran into.
    pub fn flags_of_prepared(&self, prepared: &Prepared) -> Result<Vec<u32>> {
        let mut bytes = vec![0; 4 * prepared.len()];
        if !prepared.is_empty() {
            self.executor
                .download(self.scratch.status.buffer()?, 0, &mut bytes)?;
        }
        let words = bytes.as_chunks::<4>().0.iter();
        Ok(words.map(|word| u32::from_ne_bytes(*word)).collect())
    }
}
