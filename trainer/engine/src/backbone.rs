//! A loaded backbone: checked, packed for the kernels, and named by its digests.

use std::sync::Arc;

use domain::ids::Digest;
use domain::model::BackboneRef;

use crate::kernels::{Depthwise, Gate, Isa, Packed};
use crate::recipe::Taken;
use crate::spec::Padded;
use crate::weights::{self, LayerWeights};
use crate::{Activation, Elsewhere, EngineError, Kernel, LayerKind, Preprocessing, Recipe, Spec, Stream};

/// A frozen feature extractor. Cheap to clone; every clone shares the packed weights, whatever it takes from them.
#[derive(Clone)]
pub struct Backbone {
    plan: Arc<Plan>,
    /// What features are made of, in this order.
    taken: Arc<[Taken]>,
    identity: Arc<Identity>,
}

struct Identity {
    spec: Spec,
    recipes: Vec<Recipe>,
    preprocessing: Preprocessing,
    digest: Digest,
    tensors: Digest,
    tensor_digests: Vec<(String, Digest)>,
    loaded: Digest,
    elsewhere: Option<Arc<dyn Elsewhere>>,
}

/// What a stream computes, layer by layer, as far as what is taken needs.
pub(crate) struct Plan {
    pub(crate) isa: Isa,
    /// What the padding of the input is, per colour: the byte value that stands for zero.
    pub(crate) zero: [f32; 3],
    pub(crate) stem: PlannedStem,
    pub(crate) blocks: Vec<PlannedBlock>,
    /// The last 1×1 convolution.
    pub(crate) head: Packed,
}

pub(crate) struct PlannedStem {
    pub(crate) kernel: usize,
    pub(crate) stride: usize,
    pub(crate) side_in: usize,
    pub(crate) pad: Padded,
    /// (kernel × kernel × 3, channels), in (row, column, colour) order; normalisation folded in, so that it reads bytes.
    pub(crate) weights: Packed,
}

pub(crate) struct PlannedBlock {
    pub(crate) side_in: usize,
    pub(crate) pad: Padded,
    pub(crate) expand: Option<Packed>,
    pub(crate) depthwise: Depthwise,
    pub(crate) gate: Option<Gate>,
    pub(crate) project: Packed,
    pub(crate) residual: bool,
}

impl Backbone {
    /// Check the weights (safetensors, f16 or f32, batch norm folded) against the architecture and pack them.
    ///
    /// # Errors
    /// A tensor is missing, of another shape or type, or not finite; recipe or preprocessing do not fit the architecture.
    pub fn load(
        spec: Spec,
        recipe: Recipe,
        preprocessing: Preprocessing,
        safetensors: &[u8],
    ) -> Result<Self, EngineError> {
        Self::load_with(Kernel::best(), spec, recipe, preprocessing, safetensors)
    }

    /// The same, to be computed by this kernel.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn load_with(
        kernel: Kernel,
        spec: Spec,
        recipe: Recipe,
        preprocessing: Preprocessing,
        safetensors: &[u8],
    ) -> Result<Self, EngineError> {
        Self::load_for(kernel.isa(), spec, recipe, preprocessing, safetensors)
    }

    pub(crate) fn load_for(
        isa: Isa,
        spec: Spec,
        recipe: Recipe,
        preprocessing: Preprocessing,
        safetensors: &[u8],
    ) -> Result<Self, EngineError> {
        if preprocessing.side != spec.input_side {
            return Err(EngineError::InputSide {
                architecture: spec.name,
                expected: spec.input_side,
                got: preprocessing.side,
            });
        }
        let taken = recipe.resolve(&spec)?;
        let weights = weights::read(&spec, safetensors)?;
        let tensors = Digest::of_json(&weights.digests);
        let plan = plan(isa, &spec, &preprocessing, &weights.layers);
        Ok(Self {
            identity: Arc::new(Identity {
                digest: named(&spec, &[recipe], &preprocessing, tensors),
                spec,
                recipes: vec![recipe],
                preprocessing,
                tensors,
                tensor_digests: weights.digests,
                loaded: plan.numbers_digest(),
                elsewhere: None,
            }),
            taken: Arc::from([taken]),
            plan: Arc::new(plan),
        })
    }

    /// The same network with features by other recipes, one behind the other: what an image costs is the deepest of them,
    /// and each part is equal to the bit to what its recipe gives alone. Shares the packed weights.
    ///
    /// # Errors
    /// A recipe does not fit the architecture.
    pub fn taking(&self, recipes: &[Recipe]) -> Result<Self, EngineError> {
        let Identity {
            spec,
            preprocessing,
            tensors,
            tensor_digests,
            loaded,
            elsewhere,
            ..
        } = &*self.identity;
        let taken: Result<Vec<Taken>, EngineError> = recipes.iter().map(|recipe| recipe.resolve(spec)).collect();
        Ok(Self {
            identity: Arc::new(Identity {
                spec: spec.clone(),
                recipes: recipes.to_vec(),
                preprocessing: *preprocessing,
                digest: named(spec, recipes, preprocessing, *tensors),
                tensors: *tensors,
                tensor_digests: tensor_digests.clone(),
                loaded: *loaded,
                elsewhere: elsewhere.clone(),
            }),
            taken: Arc::from(taken?),
            plan: Arc::clone(&self.plan),
        })
    }

    /// The same backbone with every stream's features computed by `elsewhere`, which names the kernel from now on.
    #[must_use]
    pub fn computed_by(&self, elsewhere: Arc<dyn Elsewhere>) -> Self {
        let Identity {
            spec,
            recipes,
            preprocessing,
            digest,
            tensors,
            tensor_digests,
            loaded,
            elsewhere: _,
        } = &*self.identity;
        Self {
            identity: Arc::new(Identity {
                spec: spec.clone(),
                recipes: recipes.clone(),
                preprocessing: *preprocessing,
                digest: *digest,
                tensors: *tensors,
                tensor_digests: tensor_digests.clone(),
                loaded: *loaded,
                elsewhere: Some(elsewhere),
            }),
            ..self.clone()
        }
    }

    /// Names architecture, weights, recipe and preprocessing.
    #[must_use]
    pub fn digest(&self) -> Digest {
        self.identity.digest
    }

    /// Digest over all of [`Self::tensor_digests`].
    #[must_use]
    pub fn tensors_digest(&self) -> Digest {
        self.identity.tensors
    }

    /// Every tensor of the architecture with the digest of its name, type, shape and bytes, in order of the names.
    #[must_use]
    pub fn tensor_digests(&self) -> Vec<(String, Digest)> {
        self.identity.tensor_digests.clone()
    }

    /// Digest over the numbers that images are multiplied with, as they lay in memory when they were loaded.
    #[must_use]
    pub fn loaded_digest(&self) -> Digest {
        self.identity.loaded
    }

    /// The same over what lies in memory now: another digest means that something wrote over frozen numbers. Reads them
    /// all, a few milliseconds.
    #[must_use]
    pub fn current_digest(&self) -> Digest {
        self.plan.numbers_digest()
    }

    /// The architecture.
    #[must_use]
    pub fn spec(&self) -> &Spec {
        &self.identity.spec
    }

    /// The feature recipes: one, but where several are compared.
    #[must_use]
    pub fn recipes(&self) -> &[Recipe] {
        &self.identity.recipes
    }

    /// The preprocessing that its features need.
    #[must_use]
    pub fn preprocessing(&self) -> &Preprocessing {
        &self.identity.preprocessing
    }

    /// Numbers per image.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.taken.iter().map(Taken::dim).sum()
    }

    /// Names the arithmetic: features of one kernel are equal to the bit on every machine.
    #[must_use]
    pub fn kernel(&self) -> &'static str {
        match &self.identity.elsewhere {
            Some(elsewhere) => elsewhere.kernel(),
            None => self.plan.isa.id(),
        }
    }

    /// How models name this backbone.
    #[must_use]
    pub fn reference(&self) -> BackboneRef {
        BackboneRef {
            digest: self.digest(),
            name: self.identity.spec.name.clone(),
            recipe: self
                .recipes()
                .iter()
                .map(Recipe::to_string)
                .collect::<Vec<_>>()
                .join(" + "),
            dim: u32::try_from(self.dim()).expect("a feature has far fewer than 2^32 numbers"),
            preprocessing: self.identity.preprocessing.digest(),
            kernel: self.kernel().to_owned(),
            tensors: self.tensors_digest(),
        }
    }

    #[cfg(test)]
    pub(crate) fn plan_mut(&mut self) -> &mut Plan {
        Arc::get_mut(&mut self.plan).expect("a test holds it alone")
    }

    /// Scratch memory for one thread of images.
    #[must_use]
    pub fn stream(&self) -> Stream {
        let elsewhere = self.identity.elsewhere.as_ref();
        let elsewhere = elsewhere.map(|port| (Arc::clone(port), self.identity.recipes.clone()));
        Stream::new(Arc::clone(&self.plan), Arc::clone(&self.taken), elsewhere)
    }
}

impl Plan {
    /// Over every layer's numbers, in the order in which an image meets them.
    fn numbers_digest(&self) -> Digest {
        let of_block = |block: &PlannedBlock| {
            let expand = block.expand.as_ref().map(digest_of);
            let gate = block.gate.as_ref();
            let gate = gate.map(|gate| (digest_of(&gate.reduce), digest_of(&gate.expand)));
            let depthwise = numbers(block.depthwise.numbers());
            (expand, depthwise, gate, digest_of(&block.project))
        };
        let blocks: Vec<_> = self.blocks.iter().map(of_block).collect();
        let zero = numbers([&self.zero, &[]]);
        Digest::of_json(&(zero, digest_of(&self.stem.weights), blocks, digest_of(&self.head)))
    }
}

/// The digest that names a backbone by one recipe, or by several.
fn named(spec: &Spec, recipes: &[Recipe], preprocessing: &Preprocessing, tensors: Digest) -> Digest {
    let preprocessing = preprocessing.digest();
    match recipes {
        [recipe] => Digest::of_json(&("backbone", 1, spec, recipe, preprocessing, tensors)),
        several => Digest::of_json(&("backbones", 1, spec, several, preprocessing, tensors)),
    }
}

fn digest_of(packed: &Packed) -> Digest {
    numbers(packed.numbers())
}

/// Of these numbers, little-endian.
fn numbers(parts: [&[f32]; 2]) -> Digest {
    let n = parts.iter().map(|part| part.len()).sum::<usize>();
    let mut bytes = vec![0; n * size_of::<f32>()];
    for (word, value) in bytes.as_chunks_mut().0.iter_mut().zip(parts.into_iter().flatten()) {
        *word = value.to_le_bytes();
    }
    Digest::of(&bytes)
}

impl std::fmt::Debug for Backbone {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Backbone").field(&self.reference()).finish()
    }
}

fn plan(isa: Isa, spec: &Spec, preprocessing: &Preprocessing, layers: &[LayerWeights]) -> Plan {
    let find = |name: &str| layers.iter().find(|layer| layer.layer.name == name);
    let stem = find("stem").expect("every architecture has a stem");
    let blocks = spec.blocks.iter().enumerate().map(|(index, block)| {
        let part = |part: &str| find(&format!("blocks.{index}.{part}"));
        let depthwise = part("dw").expect("every block has a depthwise convolution");
        let project = part("project").expect("every block has a projection");
        let expand = part("expand");
        let first = expand.unwrap_or(depthwise);
        PlannedBlock {
            side_in: first.layer.side_in as usize,
            pad: pad_of(spec, depthwise),
            expand: expand.map(packed),
            depthwise: Depthwise::new(
                depthwise.layer.kernel as usize,
                depthwise.layer.stride as usize,
                &depthwise.weight,
                &depthwise.bias,
                depthwise.layer.activation,
            ),
            gate: part("se.reduce").zip(part("se.expand")).map(|(reduce, expand)| Gate {
                reduce: packed(reduce),
                expand: packed(expand),
            }),
            project: packed(project),
            residual: block.residual,
        }
    });
    Plan {
        isa,
        zero: preprocessing.mean,
        stem: PlannedStem {
            kernel: stem.layer.kernel as usize,
            stride: stem.layer.stride as usize,
            side_in: stem.layer.side_in as usize,
            pad: pad_of(spec, stem),
            weights: packed(&on_bytes(stem, preprocessing)),
        },
        blocks: blocks.collect(),
        head: packed(find("head").expect("every architecture has a head")),
    }
}

/// The stem's layer for bytes: Σ w · (x − mean) / std = Σ (w / std) · x − Σ w · mean / std, in f64 and rounded once.
fn on_bytes(stem: &LayerWeights, preprocessing: &Preprocessing) -> LayerWeights {
    let taps = (stem.layer.kernel * stem.layer.kernel) as usize;
    let colour = |at: usize| at / taps % 3;
    let scaled = |at: usize, weight: f32| f64::from(weight) / f64::from(preprocessing.std[colour(at)]);
    let shift = |filter: &[f32]| -> f64 {
        let taps = filter.iter().enumerate();
        taps.map(|(at, weight)| scaled(at, *weight) * f64::from(preprocessing.mean[colour(at)]))
            .sum()
    };
    let filters = stem.weight.chunks_exact(3 * taps);
    let bias = filters
        .zip(&stem.bias)
        .map(|(filter, bias)| narrow(f64::from(*bias) - shift(filter)));
    let weight = stem
        .weight
        .iter()
        .enumerate()
        .map(|(at, weight)| narrow(scaled(at, *weight)));
    LayerWeights {
        layer: stem.layer.clone(),
        bias: bias.collect(),
        weight: weight.collect(),
    }
}

#[expect(clippy::cast_possible_truncation, reason = "kernels compute in f32")]
const fn narrow(value: f64) -> f32 {
    value as f32
}

fn pad_of(spec: &Spec, of: &LayerWeights) -> Padded {
    spec.padding.apply(of.layer.side_in, of.layer.kernel, of.layer.stride)
}

/// A dense layer as a matrix of (kernel × kernel × in, out): from OIHW to channels last.
fn packed(of: &LayerWeights) -> Packed {
    debug_assert_eq!(of.layer.kind, LayerKind::Dense);
    let [out, channels, side, _] = of.layer.weight_shape();
    let taps = side * side;
    let k = channels * taps;
    let mut rows = vec![0.0; out * k];
    for (row, filter) in rows.chunks_exact_mut(k).zip(of.weight.chunks_exact(k)) {
        for channel in 0..channels {
            for tap in 0..taps {
                row[tap * channels + channel] = filter[channel * taps + tap];
            }
        }
    }
    let activation: Activation = of.layer.activation;
    Packed::new(k, out, &rows, &of.bias, activation)
}
