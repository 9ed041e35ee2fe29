//! What a backbone costs: parameters, multiply-adds and bytes, counted from the same layers that are computed.

use serde::{Deserialize, Serialize};

use crate::{EngineError, Layer, Recipe, Spec, Tap};

/// Cost of one image, batch norm folded: convolutions with one bias a channel, up to the tapped map and no further.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cost {
    /// Weights and biases.
    pub parameters: u64,
    /// Multiply-adds of the convolutions, zeros of the padding included, biases and pooling not.
    pub macs: u64,
    /// Bytes of the parameters in half precision, as backbones are shipped.
    pub bytes: u64,
}

impl Layer {
    /// Cost of this layer.
    #[must_use]
    pub fn cost(&self) -> Cost {
        let weights: u64 = self.weight_shape().iter().map(|&n| n as u64).product();
        let positions = u64::from(self.side_out) * u64::from(self.side_out);
        let parameters = weights + u64::from(self.channels_out);
        Cost {
            parameters,
            macs: weights * positions,
            bytes: 2 * parameters,
        }
    }
}

impl Spec {
    /// Cost of one feature by this recipe.
    ///
    /// # Errors
    /// The recipe does not fit the architecture, or that contradicts itself.
    pub fn cost(&self, recipe: &Recipe) -> Result<Cost, EngineError> {
        recipe.resolve(self)?;
        let computed = |layer: &Layer| match (recipe.tap, layer.block) {
            (Tap::Head, _) => true,
            (Tap::Block(last), Some(block)) => block <= last,
            (Tap::Block(_), None) => layer.name == "stem",
        };
        let mut total = Cost::default();
        for layer in self.layers()?.iter().filter(|layer| computed(layer)) {
            let cost = layer.cost();
            total.parameters += cost.parameters;
            total.macs += cost.macs;
            total.bytes += cost.bytes;
        }
        Ok(total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Pool;

    const HEAD: Recipe = Recipe {
        tap: Tap::Head,
        pool: Pool::Gap,
    };
    /// A classifier of 1,000 classes on 1,280 numbers, which the published counts include.
    const CLASSIFIER: u64 = 1280 * 1000;

    /// Published counts have two numbers a channel for batch norm where ours have one bias; gates have biases there as well.
    fn published_parameters(spec: &Spec) -> u64 {
        let channels: u64 = spec
            .layers()
            .unwrap()
            .iter()
            .filter(|layer| !layer.name.contains(".se."))
            .map(|layer| u64::from(layer.channels_out))
            .sum();
        spec.cost(&HEAD).unwrap().parameters + channels + CLASSIFIER + 1000
    }

    #[test]
    fn counts_equal_the_published_ones() {
        // torchvision's mobilenet_v2: 3,504,872 parameters; thop and torchinfo count 300,774,272 multiply-adds.
        let mobilenet = Spec::mobilenet_v2();
        assert_eq!(published_parameters(&mobilenet), 3_504_872);
        assert_eq!(mobilenet.cost(&HEAD).unwrap().macs + CLASSIFIER, 300_774_272);
        // timm's efficientnet_lite0: 4,652,008 parameters; TensorFlow's table: 407 M multiply-adds, batch norm and
        // activations included.
        let lite0 = Spec::efficientnet_lite0();
        assert_eq!(published_parameters(&lite0), 4_652_008);
        // torchvision's efficientnet_b0: 5,288,548 parameters.
        assert_eq!(published_parameters(&Spec::efficientnet_b0()), 5_288_548);
        // torchvision's mobilenet_v3_large: 5,483,032, of which a dense layer of 1,280 lies before the classifier; and
        // mobilenet_v3_small: 2,542,856, with one of 1,024.
        let dense = 960 * 1280 + 1280;
        assert_eq!(published_parameters(&Spec::mobilenet_v3_large()) + dense, 5_483_032);
        let dense = 576 * 1024 + 1024;
        let classifier = 1024 * 1000;
        assert_eq!(
            published_parameters(&Spec::mobilenet_v3_small()) - CLASSIFIER + classifier + dense,
            2_542_856
        );
        let macs = lite0.cost(&HEAD).unwrap().macs + CLASSIFIER;
        assert!((380_000_000..407_000_000).contains(&macs), "{macs}");
    }

    #[test]
    fn nothing_past_the_tap_is_counted() {
        let lite0 = Spec::efficientnet_lite0();
        let all = lite0.cost(&HEAD).unwrap();
        assert_eq!(
            (all.parameters, all.bytes),
            (3_350_000, 6_700_000),
            "the published file's tensors"
        );
        let block10 = lite0.cost(&Recipe::default_lite0()).unwrap();
        let rest: u64 = lite0
            .layers()
            .unwrap()
            .iter()
            .filter(|layer| layer.block.map_or(layer.name == "head", |block| block > 10))
            .map(|layer| layer.cost().macs)
            .sum();
        assert_eq!(block10.macs + rest, all.macs);
        assert!(rest > 0 && block10.parameters < all.parameters);
    }
}
