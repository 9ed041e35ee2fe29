//! The same comparisons over shapes that nobody chose.

use proptest::prelude::{Just, Strategy, prop_oneof};
use proptest::sample::select;
use proptest::test_runner::{Config, RngSeed};
use proptest::{prop_assert, proptest};

use super::super::lanes::sweep;
use super::{ACTIVATIONS, close, depthwise_is_a_plain_sum, numbers, product_is_a_plain_sum, same_bits};
use crate::Activation;
use crate::kernels::{GROUP, Isa};
use crate::tests::naive::activate;

/// Few and small in an interpreter, and the same ones at every run.
fn config() -> Config {
    Config {
        cases: if cfg!(miri) { 4 } else { 128 },
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(5),
        ..Config::default()
    }
}

/// A number of channels: around the registers' and the groups' sizes, and any.
pub(super) fn channels() -> impl Strategy<Value = usize> {
    let most: usize = if cfg!(miri) { 20 } else { 100 };
    prop_oneof![select(vec![1_usize, 7, 8, 9, 15, 16, 17, 24]), 1..most]
}

/// Positions of a row or a map, one of them often.
pub(super) fn positions() -> impl Strategy<Value = usize> {
    let most: usize = if cfg!(miri) { 9 } else { 40 };
    prop_oneof![1 => Just(1_usize), 4 => 1..most]
}

pub(super) fn activation() -> impl Strategy<Value = Activation> {
    select(ACTIVATIONS.to_vec())
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_product_equals_a_plain_sum(m in positions(), k in channels(), n in channels(), activation in activation()) {
        product_is_a_plain_sum(m, k, n, activation, false);
        product_is_a_plain_sum(m, k, n, Activation::Linear, true);
    }

    #[test]
    fn any_depthwise_convolution_equals_a_plain_sum(
        kernel in 1..8_usize,
        stride in 1..4_usize,
        channels in channels(),
        width in positions(),
        activation in activation(),
    ) {
        depthwise_is_a_plain_sum(kernel, stride, channels, width, activation);
    }

    /// Far beyond the range where they do something.
    #[test]
    fn any_activation_equals_its_definition(
        seed in 0..1000_u32,
        n_groups in 1..4_usize,
        scale in select(vec![1.0_f32, 10.0, 200.0]),
        activation in activation(),
    ) {
        let values: Vec<f32> = numbers(seed, n_groups * GROUP).iter().map(|value| value * scale).collect();
        let expected: Vec<f64> = values.iter().map(|value| activate(activation, f64::from(*value))).collect();
        let run = |isa| {
            let mut out = values.clone();
            sweep(isa, activation, &mut out);
            close(&out, &expected, &format!("{isa:?} {activation:?}"));
            (isa, out)
        };
        let results: Vec<_> = Isa::available().into_iter().map(run).collect();
        same_bits(&results);
        prop_assert!(results.iter().all(|(_, out)| out.iter().all(|value| value.is_finite())));
    }
}
