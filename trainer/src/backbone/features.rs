//! Features of prepared images in batches on a device, and the port that lets the extraction's threads ask for one at a time.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use candle_core::{Device, Tensor};
use engine::{Backbone, Elsewhere, EngineError, Preprocessing, Recipe, Spec};

use super::error::Doing;
use super::{BackboneError, Compute, ComputeDevice, Network, weights};

/// Images that a device computes at once. Always so many, filled up with black ones: a library that chooses its kernel by
/// the size of a product chooses one, and a row does not depend on how many images waited.
pub const BATCH: usize = 32;
/// Largest difference of a feature from the engine's, as a share of the row's largest number, that half precision explains.
const ALLOWED: f32 = 0.02;

/// A network on a device with the preprocessing in front.
#[derive(Clone, Debug)]
pub struct Batches {
    network: Network,
    compute: Compute,
    side: usize,
    /// (3), of the preprocessing, f32.
    mean: Tensor,
    std: Tensor,
}

impl Batches {
    /// From a safetensors file by the tensors' names.
    ///
    /// # Errors
    /// The weights do not fit the architecture, or the device failed.
    pub fn new(
        spec: &Spec,
        preprocessing: &Preprocessing,
        safetensors: &[u8],
        compute: &Compute,
    ) -> Result<Self, BackboneError> {
        let tensors = weights::read(safetensors, compute)?;
        let colours = |values: [f32; 3]| Tensor::new(&values, &compute.device).doing("copy the preprocessing");
        Ok(Self {
            network: Network::new(spec.clone(), &tensors)?,
            mean: colours(preprocessing.mean)?,
            std: colours(preprocessing.std)?,
            side: preprocessing.side as usize,
            compute: compute.clone(),
        })
    }

    /// The features of `images`, each (side, side, 3), u8, sRGB, as [`Preprocessing::apply`] makes them: one row an image, in
    /// their order, with the numbers of all recipes one behind the other, f32.
    ///
    /// # Errors
    /// An image has another size, a recipe does not fit, or the device failed.
    pub fn features(&self, recipes: &[Recipe], images: &[&[u8]]) -> Result<Vec<Vec<f32>>, BackboneError> {
        let expected = self.side * self.side * 3;
        let mut rows = Vec::with_capacity(images.len());
        for batch in images.chunks(BATCH) {
            let mut pixels = Vec::with_capacity(BATCH * expected);
            for image in batch {
                if image.len() != expected {
                    let (what, got) = ("the input image", image.len());
                    return Err(EngineError::Length { what, expected, got }.into());
                }
                pixels.extend_from_slice(image);
            }
            let n = match self.compute.device {
                // Here every image is computed alone in any case.
                Device::Cpu => batch.len(),
                _ => BATCH,
            };
            pixels.resize(n * expected, 0);
            let pixels = Tensor::from_vec(pixels, (n, self.side, self.side, 3), &Device::Cpu)
                .and_then(|pixels| pixels.to_device(&self.compute.device))
                .doing("copy images to the device")?;
            let normalised = self.normalise(&pixels).doing("normalise images")?;
            let parts = self.network.features(&normalised, recipes)?;
            let computed: Vec<Vec<f32>> = Tensor::cat(&parts, 1)
                .and_then(|rows| rows.to_vec2())
                .doing("copy features from the device")?;
            rows.extend(computed.into_iter().take(batch.len()));
        }
        Ok(rows)
    }

    /// Bytes to numbers, by the same two operations as the engine.
    fn normalise(&self, pixels: &Tensor) -> candle_core::Result<Tensor> {
        let numbers = pixels.to_dtype(self.mean.dtype())?;
        let normalised = numbers.broadcast_sub(&self.mean)?.broadcast_div(&self.std)?;
        normalised.to_dtype(self.compute.dtype)
    }

    /// The largest difference from `backbone` on one image of noise, as a share of the row's largest number.
    fn difference(&self, backbone: &Backbone) -> Result<f32, BackboneError> {
        let side = backbone.preprocessing().side;
        let noise = |at: u32| (at.wrapping_mul(2_654_435_761) >> 24) as u8;
        let pixels: Vec<u8> = (0..side * side * 3).map(noise).collect();
        let mut expected = vec![0.0; backbone.dim()];
        backbone.stream().features(&pixels, &mut expected)?;
        let rows = self.features(backbone.recipes(), &[&pixels])?;
        let row = rows.first().expect("one image has one row");
        if row.iter().any(|value| !value.is_finite()) {
            return Ok(f32::INFINITY);
        }
        let largest = expected
            .iter()
            .fold(f32::MIN_POSITIVE, |largest, value| largest.max(value.abs()));
        let differences = row.iter().zip(&expected).map(|(got, wanted)| (got - wanted).abs());
        Ok(differences.fold(0.0, f32::max) / largest)
    }
}

/// `backbone`, which was loaded from `safetensors`, with its features computed by `device`: itself on the CPU. One image is
/// computed by both first, so that a device that computes something else never fills a cache.
///
/// # Errors
/// The build has no CUDA, the driver or the device is not there, it fails, or it disagrees with the engine.
pub fn on_device(backbone: &Backbone, safetensors: &[u8], device: ComputeDevice) -> Result<Backbone, BackboneError> {
    if device == ComputeDevice::Cpu {
        return Ok(backbone.clone());
    }
    let compute = device.open()?;
    let batches = Batches::new(backbone.spec(), backbone.preprocessing(), safetensors, &compute)?;
    let difference = batches.difference(backbone)?;
    if difference > ALLOWED {
        return Err(BackboneError::Disagrees {
            device,
            difference,
            allowed: ALLOWED,
        });
    }
    Ok(backbone.computed_by(Arc::new(Shared::start(batches)?)))
}

/// A device that many threads share: each asks for one image and waits; whoever waits at the same time is computed together.
pub struct Shared {
    kernel: &'static str,
    requests: SyncSender<Request>,
}

/// One image, and where its row goes.
struct Request {
    recipes: Vec<Recipe>,
    pixels: Vec<u8>,
    answer: SyncSender<Result<Vec<f32>, String>>,
}

impl Shared {
    /// Starts the thread that the device belongs to; it ends when nobody can ask any more.
    ///
    /// # Errors
    /// The system gives no thread.
    pub fn start(batches: Batches) -> Result<Self, BackboneError> {
        let (requests, asked) = sync_channel(BATCH);
        let kernel = batches.compute.kernel();
        thread::Builder::new()
            .name("device".to_owned())
            .spawn(move || serve(&batches, &asked))
            .map_err(BackboneError::Thread)?;
        Ok(Self { kernel, requests })
    }
}

impl Elsewhere for Shared {
    fn kernel(&self) -> &'static str {
        self.kernel
    }

    fn features(&self, recipes: &[Recipe], pixels: &[u8], out: &mut [f32]) -> Result<(), EngineError> {
        let failed = |reason: String| EngineError::Device { reason };
        let ended = || failed("its thread has ended".to_owned());
        let (answer, answered) = sync_channel(1);
        let request = Request {
            recipes: recipes.to_vec(),
            pixels: pixels.to_vec(),
            answer,
        };
        self.requests.send(request).map_err(|_| ended())?;
        let row = answered.recv().map_err(|_| ended())?.map_err(failed)?;
        if row.len() != out.len() {
            return Err(failed(format!("it computed {} numbers for {}", row.len(), out.len())));
        }
        out.copy_from_slice(&row);
        Ok(())
    }
}

/// Takes what is asked until nobody can ask any more. What waits is computed together as far as recipes are the same.
fn serve(batches: &Batches, asked: &Receiver<Request>) {
    let mut next = None;
    while let Some(first) = next.take().or_else(|| asked.recv().ok()) {
        let mut together = vec![first];
        while together.len() < BATCH {
            match asked.try_recv() {
                Ok(request) if request.recipes == together[0].recipes => together.push(request),
                Ok(request) => {
                    next = Some(request);
                    break;
                }
                Err(_) => break,
            }
        }
        let images: Vec<&[u8]> = together.iter().map(|request| request.pixels.as_slice()).collect();
        let computed = batches.features(&together[0].recipes, &images);
        let answers = match computed {
            Ok(rows) => rows.into_iter().map(Ok).collect(),
            Err(error) => vec![Err(error.to_string()); together.len()],
        };
        for (request, answer) in together.iter().zip(answers) {
            // Who does not wait any more needs no answer.
            let _ = request.answer.send(answer);
        }
    }
}
