//! Depthwise convolutions of odd shapes with their operands, and what the CPU makes of them.

use candle_core::{Device, Tensor, Var};
use engine::Padding;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use trainer::backbone::Depthwise;

/// One depthwise convolution.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) batch: usize,
    pub(crate) height: usize,
    pub(crate) width: usize,
    pub(crate) channels: usize,
    pub(crate) kernel: usize,
    pub(crate) stride: usize,
    pub(crate) padding: Padding,
}

/// Its operands, and its results on the CPU. Values are such that half precision holds them.
pub(crate) struct Case {
    pub(crate) shape: Shape,
    pub(crate) map: Vec<f32>,
    pub(crate) weight: Vec<f32>,
    pub(crate) bias: Vec<f32>,
    /// The gradient of the result.
    pub(crate) given: Vec<f32>,
    pub(crate) result: Vec<f32>,
    pub(crate) of_map: Vec<f32>,
    pub(crate) of_weight: Vec<f32>,
    pub(crate) of_bias: Vec<f32>,
}

/// Every kernel and stride that is compiled for and two that are not; odd sides, odd channels, more than a block of each; one
/// with more positions than a block sums.
pub(crate) fn all() -> Vec<Shape> {
    let mut shapes = Vec::new();
    for padding in [Padding::Symmetric, Padding::TfSame] {
        for (kernel, stride, height, width, channels) in [
            (3, 1, 7, 6, 5),
            (3, 2, 9, 7, 35),
            (5, 1, 6, 11, 19),
            (5, 2, 10, 9, 33),
            (7, 1, 8, 5, 3),
            (7, 2, 11, 14, 17),
            (3, 2, 1, 1, 1),
            (1, 1, 4, 3, 2),
            (3, 3, 8, 10, 9),
            (3, 1, 51, 43, 3),
        ] {
            shapes.push(Shape {
                batch: 2,
                height,
                width,
                channels,
                kernel,
                stride,
                padding,
            });
        }
    }
    shapes
}

impl Shape {
    pub(crate) fn sides_out(&self) -> [usize; 2] {
        [self.height, self.width].map(|side| self.axis(side).1)
    }

    /// Zeros before, and the result's side.
    fn axis(&self, side: usize) -> (usize, usize) {
        let zeros = self.padding.apply(side as u32, self.kernel as u32, self.stride as u32);
        (zeros.before as usize, zeros.out as usize)
    }

    /// What kernels are told, in their order.
    pub(crate) fn numbers(&self) -> [usize; 10] {
        let ((above, height_out), (left, width_out)) = (self.axis(self.height), self.axis(self.width));
        let Self {
            batch,
            height,
            width,
            channels,
            kernel,
            stride,
            ..
        } = *self;
        [
            batch, height, width, channels, height_out, width_out, above, left, kernel, stride,
        ]
    }

    pub(crate) fn op(&self) -> Depthwise {
        Depthwise {
            stride: self.stride,
            padding: self.padding,
        }
    }

    /// Operands and results, computed on the CPU, whose own tests are beside it.
    pub(crate) fn case(self) -> Case {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        // Sixteenths below one: exact in half precision.
        let mut random =
            |n: usize| -> Vec<f32> { (0..n).map(|_| (rng.next_u32() % 31) as f32 / 16.0 - 0.9375).collect() };
        let Self {
            batch,
            height,
            width,
            channels,
            kernel,
            ..
        } = self;
        let [height_out, width_out] = self.sides_out();
        let map = random(batch * height * width * channels);
        let (weight, bias) = (random(channels * kernel * kernel), random(channels));
        let given = random(batch * height_out * width_out * channels);
        let var = |values: &[f32], dims: &[usize]| {
            Var::from_tensor(&Tensor::from_slice(values, dims, &Device::Cpu).unwrap()).unwrap()
        };
        let vars = [
            var(&map, &[batch, height, width, channels]),
            var(&weight, &[channels, 1, kernel, kernel]),
            var(&bias, &[channels]),
        ];
        let result = self.op().forward(&vars[0], &vars[1], &vars[2]).unwrap();
        let above = Tensor::from_slice(&given, result.dims(), &Device::Cpu).unwrap();
        let gradients = (&result * above).unwrap().sum_all().unwrap().backward().unwrap();
        let numbers = |tensor: &Tensor| tensor.flatten_all().unwrap().to_vec1::<f32>().unwrap();
        let [of_map, of_weight, of_bias] = vars.each_ref().map(|var| numbers(gradients.get(var).unwrap()));
        Case {
            result: numbers(&result),
            shape: self,
            map,
            weight,
            bias,
            given,
            of_map,
            of_weight,
            of_bias,
        }
    }
}

/// The largest difference, as a share of the largest number.
pub(crate) fn difference(got: &[f32], expected: &[f32]) -> f32 {
    assert_eq!(got.len(), expected.len());
    assert!(got.iter().all(|value| value.is_finite()));
    let largest = expected
        .iter()
        .fold(f32::MIN_POSITIVE, |largest, value| largest.max(value.abs()));
    let differences = got.iter().zip(expected).map(|(got, expected)| (got - expected).abs());
    differences.fold(0.0, f32::max) / largest
}
