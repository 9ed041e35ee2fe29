//! Every copy of every kernel against a plain sum in f64, and the copies against one another.

use super::{Depthwise, Isa, Packed, Target};
use crate::Activation;

/// Numbers in −1..1 that look random.
fn numbers(seed: u32, n: usize) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    (0..n)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 8_388_608.0 - 1.0
        })
        .collect()
}

fn activate(activation: Activation, value: f64) -> f64 {
    match activation {
        Activation::Relu6 => value.clamp(0.0, 6.0),
        Activation::Linear => value,
    }
}

fn close(got: &[f32], expected: &[f64], what: &str) {
    assert_eq!(got.len(), expected.len());
    let scale = expected.iter().fold(1.0_f64, |scale, value| scale.max(value.abs()));
    for (index, (got, expected)) in got.iter().zip(expected).enumerate() {
        let error = (f64::from(*got) - expected).abs() / scale;
        assert!(error <= 1e-5, "{what}: value {index} is {got}, expected {expected}");
    }
}

/// Copies of one name give equal bits.
fn same_bits(results: &[(Isa, Vec<f32>)]) {
    for (isa, values) in results {
        let twin = results
            .iter()
            .find(|(other, _)| other.id() == isa.id())
            .map(|(_, values)| values);
        let bits = |values: &[f32]| values.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
        assert_eq!(twin.map(|twin| bits(twin)), Some(bits(values)), "{isa:?}");
    }
}

#[test]
fn products_equal_a_plain_sum() {
    let shapes = [
        (1, 1, 1),
        (3, 27, 32),
        (14, 16, 96),
        (31, 144, 24),
        (29, 240, 40),
        (17, 5, 7),
        (13, 33, 17),
    ];
    for (m, k, n) in shapes {
        for (activation, with_residual) in [(Activation::Linear, true), (Activation::Relu6, false)] {
            let (a, b, bias) = (numbers(1, m * k), numbers(2, n * k), numbers(3, n));
            let (width, gap) = (m.min(5), 3);
            let stride = width * n + gap;
            let length = m.div_ceil(width) * stride;
            let residual = numbers(4, length);
            let packed = Packed::new(k, n, &b, &bias, activation);
            // What lies between the lines must stay as it was.
            let mut expected = vec![9.0; length];
            for row in 0..m {
                for column in 0..n {
                    let place = row / width * stride + row % width * n + column;
                    let sum: f64 = (0..k)
                        .map(|p| f64::from(a[row * k + p]) * f64::from(b[column * k + p]))
                        .sum();
                    let residual = if with_residual { f64::from(residual[place]) } else { 0.0 };
                    expected[place] = activate(activation, sum + f64::from(bias[column])) + residual;
                }
            }
            let run = |isa| {
                let mut out = vec![9.0; length];
                let target = &mut Target {
                    out: &mut out,
                    width,
                    stride,
                    residual: with_residual.then_some(&residual[..]),
                };
                packed.product(isa, m, &a, target);
                close(&out, &expected, &format!("{isa:?} {m}x{k}x{n}"));
                (isa, out)
            };
            same_bits(&Isa::available().into_iter().map(run).collect::<Vec<_>>());
        }
    }
}

#[test]
fn products_equal_the_gemm_crate() {
    let (m, k, n) = (40, 112, 96);
    let (a, b) = (numbers(1, m * k), numbers(2, n * k));
    let mut expected = vec![0.0_f32; m * n];
    #[expect(unsafe_code, reason = "the crate's only door")]
    // SAFETY: a is (m, k) row by row, b (n, k) row by row and read transposed, the result (m, n) row by row.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            expected.as_mut_ptr(),
            1,
            n as isize,
            false,
            a.as_ptr(),
            1,
            k as isize,
            b.as_ptr(),
            k as isize,
            1,
            0.0,
            1.0,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
    let expected: Vec<f64> = expected.into_iter().map(f64::from).collect();
    let packed = Packed::new(k, n, &b, &vec![0.0; n], Activation::Linear);
    for isa in Isa::available() {
        let mut out = vec![0.0; m * n];
        let target = &mut Target {
            out: &mut out,
            width: m,
            stride: 0,
            residual: None,
        };
        packed.product(isa, m, &a, target);
        close(&out, &expected, &format!("{isa:?}"));
    }
}

#[test]
fn depthwise_rows_equal_a_plain_sum() {
    for (kernel, stride, channels, width) in [
        (3, 1, 32, 9),
        (3, 2, 96, 7),
        (5, 1, 48, 14),
        (5, 2, 16, 5),
        (3, 1, 24, 4),
        (7, 1, 16, 3),
        (3, 3, 5, 2),
    ] {
        let (weight, bias) = (numbers(1, channels * kernel * kernel), numbers(2, channels));
        let positions = (width - 1) * stride + kernel;
        let row_len = positions * channels;
        let rows = numbers(3, row_len * kernel);
        for activation in [Activation::Linear, Activation::Relu6] {
            let layer = Depthwise::new(kernel, stride, &weight, &bias, activation);
            let mut expected = vec![0.0; width * channels];
            for (index, value) in expected.iter_mut().enumerate() {
                let (x, channel) = (index / channels, index % channels);
                let mut sum = f64::from(bias[channel]);
                for ky in 0..kernel {
                    for kx in 0..kernel {
                        let input = rows[ky * row_len + (x * stride + kx) * channels + channel];
                        sum += f64::from(input) * f64::from(weight[(channel * kernel + ky) * kernel + kx]);
                    }
                }
                *value = activate(activation, sum);
            }
            let run = |isa| {
                let mut out = vec![9.0; width * channels];
                layer.row(isa, &rows, row_len, &mut out);
                close(&out, &expected, &format!("{isa:?} {kernel}/{stride} of {channels}"));
                (isa, out)
            };
            same_bits(&Isa::available().into_iter().map(run).collect::<Vec<_>>());
        }
    }
}

#[test]
#[should_panic(expected = "rows of 8")]
fn a_short_input_is_caught_before_it_is_read() {
    let packed = Packed::new(8, 4, &numbers(1, 32), &numbers(2, 4), Activation::Linear);
    let target = &mut Target {
        out: &mut [0.0; 100],
        width: 3,
        stride: 0,
        residual: None,
    };
    packed.product(Isa::detect(), 3, &[0.0; 23], target);
}
