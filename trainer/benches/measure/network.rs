//! The networks that are measured, and their description for the peers, so that nobody writes a network twice.

use std::fs;
use std::path::{Path, PathBuf};

use engine::{Backbone, Layer, LayerKind, Padding, Pool, Preprocessing, Recipe, Spec, Tap};
use serde_json::{Value, json};

use crate::{Failure, photos, weights};

/// Images whose features are compared before anything is timed.
const CHECKED: usize = 8;

/// A network, its weights and what is taken from it.
pub(crate) struct Network {
    pub(crate) backbone: Backbone,
    /// Multiply-adds of one image.
    pub(crate) macs: u64,
    weights: Vec<u8>,
    recipe: Recipe,
}

impl Network {
    /// `mbv2`, `lite0`, or `lite0_tap10`, which is what jobs take by default.
    ///
    /// # Errors
    /// There is no such network.
    pub(crate) fn named(name: &str) -> Result<Self, Failure> {
        let gap = Recipe {
            tap: Tap::Head,
            pool: Pool::Gap,
        };
        let bundled = || fs::read("trainer/assets/efficientnet_lite0.features.fp16.safetensors");
        let (spec, weights, recipe) = match name {
            "mbv2" => (Spec::mobilenet_v2(), weights::seeded(&Spec::mobilenet_v2())?, gap),
            "lite0" => (Spec::efficientnet_lite0(), bundled()?, gap),
            "lite0_tap10" => (Spec::efficientnet_lite0(), bundled()?, Recipe::default_lite0()),
            _ => return Err(format!("there is no network {name:?}").into()),
        };
        let macs = spec.cost(&recipe)?.macs;
        let backbone = Backbone::load(spec, recipe, Preprocessing::efficientnet_lite0(), &weights)?;
        Ok(Self {
            backbone,
            macs,
            weights,
            recipe,
        })
    }

    /// Writes what a peer needs for the same features: layers, weights, a few photos' pixels, and their features.
    ///
    /// Returns the pixels, (images, side, side, 3), u8, sRGB.
    pub(crate) fn write(&self, work: &Path, name: &str) -> Result<Vec<Vec<u8>>, Failure> {
        let folder = folder(work, name);
        fs::create_dir_all(&folder)?;
        let preprocessing = self.backbone.preprocessing();
        let mut pixels = Vec::new();
        for photo in photos::read(work, CHECKED)? {
            let photo = trainer::images::decode(&photo)?;
            pixels.push(preprocessing.apply(&photo.pixels, photo.width, photo.height)?);
        }
        let mut stream = self.backbone.stream();
        let mut features = Vec::new();
        for pixels in &pixels {
            let mut feature = vec![0.0; self.backbone.dim()];
            stream.features(pixels, &mut feature)?;
            features.extend(feature.into_iter().flat_map(f32::to_le_bytes));
        }
        fs::write(folder.join("weights.safetensors"), &self.weights)?;
        fs::write(folder.join("pixels.u8"), pixels.concat())?;
        fs::write(folder.join("features.f32"), features)?;
        fs::write(folder.join("network.json"), self.description()?.to_string())?;
        Ok(pixels)
    }

    fn description(&self) -> Result<Value, Failure> {
        let spec = self.backbone.spec();
        let preprocessing = self.backbone.preprocessing();
        let deepest = match self.recipe.tap {
            Tap::Block(block) => Some(block),
            Tap::Head => None,
        };
        let is_taken = |layer: &Layer| match (deepest, layer.block) {
            (None, _) => true,
            (Some(deepest), Some(block)) => block <= deepest,
            (Some(_), None) => layer.name == "stem",
        };
        let layers: Vec<Layer> = spec.layers()?.into_iter().filter(is_taken).collect();
        let (trim, cells) = match self.recipe.pool {
            Pool::Gap => (0, 1),
            Pool::Grid { trim, cells } => (trim, cells),
        };
        Ok(json!({
            "side": spec.input_side,
            "mean": preprocessing.mean,
            "std": preprocessing.std,
            "fit": preprocessing.fit,
            "layers": layers.iter().map(|layer| described(spec, layer)).collect::<Vec<_>>(),
            "trim": trim,
            "cells": cells,
            "dim": self.backbone.dim(),
        }))
    }
}

/// Where a network's description lies.
fn folder(work: &Path, name: &str) -> PathBuf {
    work.join("networks").join(name)
}

fn described(spec: &Spec, layer: &Layer) -> Value {
    let (before, after) = match spec.padding {
        Padding::Symmetric => (layer.kernel / 2, layer.kernel / 2),
        Padding::TfSame => {
            let covered = (layer.side_out - 1) * layer.stride + layer.kernel;
            let total = covered.saturating_sub(layer.side_in);
            (total / 2, total - total / 2)
        }
    };
    let block = layer.block.and_then(|block| spec.blocks.get(block as usize));
    json!({
        "name": layer.name,
        "block": layer.block,
        "depthwise": layer.kind == LayerKind::Depthwise,
        "kernel": layer.kernel,
        "stride": layer.stride,
        "before": before,
        "after": after,
        "channels_in": layer.channels_in,
        "channels_out": layer.channels_out,
        "side_out": layer.side_out,
        "activation": layer.activation,
        "residual": layer.name.ends_with(".project") && block.is_some_and(|block| block.residual),
    })
}
