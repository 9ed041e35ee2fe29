//! The backbone that is compiled into the binary: EfficientNet-Lite0, ImageNet, Apache-2.0 (see NOTICE).

use engine::{Backbone, Preprocessing, Recipe, Spec};

use crate::backbone::{BackboneError, ComputeDevice, on_device};
use crate::backbones::Backbones;

pub(crate) static WEIGHTS: &[u8] = include_bytes!("../assets/efficientnet_lite0.features.fp16.safetensors");

/// Load the bundled backbone: EfficientNet-Lite0, block 10, a 4 × 4 grid.
///
/// # Panics
/// Never: a test loads these very bytes.
#[must_use]
pub fn backbone() -> Backbone {
    let spec = Spec::efficientnet_lite0();
    Backbone::load(
        spec,
        Recipe::default_lite0(),
        Preprocessing::efficientnet_lite0(),
        WEIGHTS,
    )
    .expect("the bundled weights fit the bundled architecture, as the test beside this says")
}

/// The same with every recipe that a first model is compared on.
///
/// # Panics
/// Never: a test builds these very recipes.
#[must_use]
pub fn backbones() -> Backbones {
    backbones_of(&backbone())
}

/// The same, computed by a device.
///
/// # Errors
/// The device is not there, or it disagrees with the engine.
pub fn backbones_on(device: ComputeDevice) -> Result<Backbones, BackboneError> {
    Ok(backbones_of(&on_device(&backbone(), WEIGHTS, device)?))
}

fn backbones_of(network: &Backbone) -> Backbones {
    Backbones::new(network, &Recipe::lineup_lite0()).expect("the recipes fit, as the test beside this says")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bundled_backbone_loads_and_is_the_one_we_mean() {
        let reference = backbone().reference();
        assert_eq!((reference.name.as_str(), reference.dim), ("efficientnet-lite0", 1792));
        assert_eq!(reference.recipe, "block10 grid trim1 4x4");
        assert_eq!(backbone().tensor_digests().len(), 98);
        assert_eq!(backbone().digest(), reference.digest, "the same bytes, the same name");
    }

    #[test]
    fn a_lineup_gives_to_the_bit_what_each_recipe_gives_alone() {
        let all = backbones();
        assert_eq!((all.each().len(), all.first().digest()), (6, backbone().digest()));
        let side = backbone().preprocessing().side as usize;
        let pixels: Vec<u8> = (0..side * side * 3).map(|at| (at * 31 % 251) as u8).collect();
        let features = |backbone: &Backbone| {
            let mut row = vec![f32::NAN; backbone.dim()];
            backbone.stream().features(&pixels, &mut row).unwrap();
            row
        };
        let each: Vec<f32> = all.each().iter().flat_map(features).collect();
        assert_eq!(features(all.lineup()), each);
        assert!(each.iter().all(|value| value.is_finite()));
        let digests: std::collections::BTreeSet<_> = all.each().iter().map(Backbone::digest).collect();
        assert_eq!(digests.len(), 6);
        assert!(
            all.find(&all.lineup().digest()).is_none(),
            "no model is made of all of them"
        );
        let named = all.by_recipe("head gap").unwrap();
        assert_eq!((named.dim(), all.find(&named.digest()).unwrap().dim()), (1280, 1280));
    }
}
