//! The backbone that is compiled into the binary: EfficientNet-Lite0, ImageNet, Apache-2.0 (see NOTICE).

use engine::{Backbone, Preprocessing, Recipe, Spec};

static WEIGHTS: &[u8] = include_bytes!("../assets/efficientnet_lite0.features.fp16.safetensors");

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
}
