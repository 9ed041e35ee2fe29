//! Every copy of every kernel against a plain sum in f64, and the copies against one another.

mod properties;

use super::{Depthwise, DepthwiseRows, GROUP, Isa, Packed, Read, Write, groups};
use crate::Activation;
use crate::tests::naive::activate;

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

/// (rows, channels) as a map of groups of 16 channels; what is no channel holds a number that must not matter.
fn grouped(rows: &[f32], channels: usize) -> Vec<f32> {
    let positions = rows.len() / channels;
    let mut map = vec![7.0e7; groups(channels) * positions * GROUP];
    for (position, row) in rows.chunks_exact(channels).enumerate() {
        for (channel, value) in row.iter().enumerate() {
            map[(channel / GROUP * positions + position) * GROUP + channel % GROUP] = *value;
        }
    }
    map
}

const ACTIVATIONS: [Activation; 7] = [
    Activation::Linear,
    Activation::Relu,
    Activation::Relu6,
    Activation::HardSigmoid,
    Activation::HardSwish,
    Activation::Sigmoid,
    Activation::Swish,
];

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
    // An interpreter takes a thousand times as long.
    let small = |(m, k, n): &(usize, usize, usize)| !cfg!(miri) || m * k * n < 2_000;
    for (m, k, n) in shapes.into_iter().filter(small) {
        for (activation, with_residual) in ACTIVATIONS
            .map(|activation| (activation, false))
            .into_iter()
            .chain([(Activation::Linear, true)])
        {
            product_is_a_plain_sum(m, k, n, activation, with_residual);
        }
    }
}

/// All copies of a product of (m, k) and (k, n), written in lines of five rows.
fn product_is_a_plain_sum(m: usize, k: usize, n: usize, activation: Activation, with_residual: bool) {
    let (a, b, bias) = (numbers(1, m * k), numbers(2, n * k), numbers(3, n));
    let (width, gap) = (m.min(5), 3);
    let line_step = width * GROUP + gap;
    let panel_step = m.div_ceil(width) * line_step + 5;
    let length = groups(n) * panel_step;
    let residual = numbers(4, length);
    let packed = Packed::new(k, n, &b, &bias, activation);
    let place = |row: usize, column: usize| {
        column / GROUP * panel_step + row / width * line_step + row % width * GROUP + column % GROUP
    };
    let mut expected = Vec::new();
    for (row, column) in (0..m).flat_map(|row| (0..n).map(move |column| (row, column))) {
        let sum: f64 = (0..k)
            .map(|p| f64::from(a[row * k + p]) * f64::from(b[column * k + p]))
            .sum();
        let residual = if with_residual {
            f64::from(residual[place(row, column)])
        } else {
            0.0
        };
        expected.push(activate(activation, sum + f64::from(bias[column])) + residual);
    }
    let map = grouped(&a, k);
    let run = |isa| {
        let mut out = vec![9.0; length];
        let to = &mut Write {
            out: &mut out,
            from: 0,
            width,
            line_step,
            panel_step,
            residual: with_residual.then_some(&residual[..]),
        };
        packed.product(isa, 0..packed.n_panels(), m, &Read::map(&map, 0, m), to);
        // What lies between the lines must stay as it was.
        for panel in 0..groups(n) {
            for line in 0..m / width {
                let end = panel * panel_step + line * line_step + width * GROUP;
                assert_eq!(out[end..end + gap], [9.0; 3], "{isa:?} {m}x{k}x{n}");
            }
        }
        let got: Vec<f32> = (0..m)
            .flat_map(|row| (0..n).map(move |column| (row, column)))
            .map(|(row, column)| out[place(row, column)])
            .collect();
        close(&got, &expected, &format!("{isa:?} {m}x{k}x{n} {activation:?}"));
        (isa, got)
    };
    same_bits(&Isa::available().into_iter().map(run).collect::<Vec<_>>());
}

// The crate's instructions are more than Miri knows.
#[cfg(not(miri))]
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
    let expected: Vec<f64> = grouped(&expected, n).into_iter().map(f64::from).collect();
    let packed = Packed::new(k, n, &b, &vec![0.0; n], Activation::Linear);
    let map = grouped(&a, k);
    for isa in Isa::available() {
        let mut out = vec![0.0; m * n];
        let to = &mut Write::map(&mut out, 0, m, m, None);
        packed.product(isa, 0..packed.n_panels(), m, &Read::map(&map, 0, m), to);
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
        (7, 2, 9, 15),
        (3, 3, 5, 2),
        (4, 1, 5, 6),
    ] {
        if cfg!(miri) && channels * width > 100 {
            continue;
        }
        for activation in ACTIVATIONS {
            depthwise_is_a_plain_sum(kernel, stride, channels, width, activation);
        }
    }
}

/// All copies of three rows of a depthwise convolution.
fn depthwise_is_a_plain_sum(kernel: usize, stride: usize, channels: usize, width: usize, activation: Activation) {
    let (weight, bias) = (numbers(1, channels * kernel * kernel), numbers(2, channels));
    let (n_rows, positions) = (3, (width - 1) * stride + kernel + 1);
    let n_rows_in = (n_rows - 1) * stride + kernel;
    let input = numbers(3, n_rows_in * positions * channels);
    let map = grouped(&input, channels);
    let layer = Depthwise::new(kernel, stride, &weight, &bias, activation);
    let mut expected = Vec::new();
    for index in 0..n_rows * width * channels {
        let (y, x, channel) = (index / channels / width, index / channels % width, index % channels);
        let mut sum = f64::from(bias[channel]);
        for (ky, kx) in (0..kernel).flat_map(|ky| (0..kernel).map(move |kx| (ky, kx))) {
            let place = ((y * stride + ky) * positions + x * stride + kx) * channels + channel;
            sum += f64::from(input[place]) * f64::from(weight[(channel * kernel + ky) * kernel + kx]);
        }
        expected.push(activate(activation, sum));
    }
    let run = |isa| {
        let mut got = vec![0.0; expected.len()];
        for group in 0..groups(channels) {
            let mut out = vec![9.0; n_rows * width * GROUP];
            let rows = &mut DepthwiseRows {
                input: &map[group * n_rows_in * positions * GROUP..],
                row_len: positions * GROUP,
                width,
                out: &mut out,
            };
            layer.rows(isa, group, rows);
            for (position, values) in out.chunks_exact(GROUP).enumerate() {
                let n = GROUP.min(channels - group * GROUP);
                got[position * channels + group * GROUP..][..n].copy_from_slice(&values[..n]);
            }
        }
        close(
            &got,
            &expected,
            &format!("{isa:?} {kernel}/{stride} of {channels} {activation:?}"),
        );
        (isa, got)
    };
    same_bits(&Isa::available().into_iter().map(run).collect::<Vec<_>>());
}

#[test]
#[should_panic(expected = "rows of 8")]
fn a_short_input_is_caught_before_it_is_read() {
    let packed = Packed::new(8, 4, &numbers(1, 32), &numbers(2, 4), Activation::Linear);
    let mut out = [0.0; 100];
    let to = &mut Write::map(&mut out, 0, 3, 3, None);
    packed.product(Isa::detect(), 0..1, 3, &Read::map(&[0.0; 39], 0, 3), to);
}
