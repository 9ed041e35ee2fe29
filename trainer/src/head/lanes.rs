//! Sums of products in fixed lanes.
//!
//! A sum of products always runs in the lanes of a vector of 256 bits, each product fused with its sum, in the order of the
//! numbers, and the lanes are added in one order. So its bits depend on its numbers alone: not on which rows are multiplied
//! beside it, how many cores there are or what a machine's own vectors are. A machine without AVX2 goes the same way number
//! by number.

use pulp::{Scalar256b, Simd, WithSimd};

/// f32 or f64.
pub(super) trait Number: Copy + Default + Send + Sync + 'static {
    /// 256 bits of them.
    type Lanes<S: Simd>: Copy;

    fn of(value: f64) -> Self;
    fn of_feature(value: f32) -> Self;
    fn wide(self) -> f64;
    /// `self · by + more`, rounded once.
    fn times_plus(self, by: Self, more: Self) -> Self;
    /// `(self − mean) · scale`
    fn standardised(self, mean: Self, scale: Self) -> Self;

    /// Whole vectors and what is left.
    fn lanes<S: Simd>(numbers: &[Self]) -> (&[Self::Lanes<S>], &[Self]);
    /// `to` gets the lanes, as far as it reaches.
    fn store<S: Simd>(lanes: Self::Lanes<S>, to: &mut [Self]);
    fn splat<S: Simd>(simd: S, value: Self) -> Self::Lanes<S>;
    /// `a · b + more`
    fn fused<S: Simd>(simd: S, a: Self::Lanes<S>, b: Self::Lanes<S>, more: Self::Lanes<S>) -> Self::Lanes<S>;
}

macro_rules! number {
    ($number:ty, $lanes:ident, $as_lanes:ident, $as_mut_lanes:ident, $splat:ident, $mul_add:ident, $of:expr, $of_feature:expr) => {
        impl Number for $number {
            type Lanes<S: Simd> = S::$lanes;

            #[inline(always)]
            fn of(value: f64) -> Self {
                $of(value)
            }

            #[inline(always)]
            fn of_feature(value: f32) -> Self {
                $of_feature(value)
            }

            #[inline(always)]
            fn wide(self) -> f64 {
                f64::from(self)
            }

            #[inline(always)]
            fn times_plus(self, by: Self, more: Self) -> Self {
                self.mul_add(by, more)
            }

            #[inline(always)]
            fn standardised(self, mean: Self, scale: Self) -> Self {
                (self - mean) * scale
            }

            #[inline(always)]
            fn lanes<S: Simd>(numbers: &[Self]) -> (&[S::$lanes], &[Self]) {
                S::$as_lanes(numbers)
            }

            #[inline(always)]
            fn store<S: Simd>(lanes: S::$lanes, to: &mut [Self]) {
                if let Some(to) = S::$as_mut_lanes(to).0.first_mut() {
                    *to = lanes;
                }
            }

            #[inline(always)]
            fn splat<S: Simd>(simd: S, value: Self) -> S::$lanes {
                simd.$splat(value)
            }

            #[inline(always)]
            fn fused<S: Simd>(simd: S, a: S::$lanes, b: S::$lanes, more: S::$lanes) -> S::$lanes {
                simd.$mul_add(a, b, more)
            }
        }
    };
}

number!(
    f32,
    f32s,
    as_simd_f32s,
    as_mut_simd_f32s,
    splat_f32s,
    mul_add_f32s,
    crate::head::narrow,
    std::convert::identity
);
number!(
    f64,
    f64s,
    as_simd_f64s,
    as_mut_simd_f64s,
    splat_f64s,
    mul_add_f64s,
    std::convert::identity,
    f64::from
);

/// Vectors of `dim` numbers behind one another.
#[derive(Clone, Copy)]
pub(super) struct Lines<'a, T> {
    pub(super) data: &'a [T],
    pub(super) dim: usize,
}

impl<'a, T> Lines<'a, T> {
    #[inline(always)]
    fn get(&self, line: usize) -> &'a [T] {
        &self.data[line * self.dim..(line + 1) * self.dim]
    }

    fn len(&self) -> usize {
        self.data.len().checked_div(self.dim).unwrap_or_default()
    }

    /// Those from `from` up to `to`.
    pub(super) fn between(self, from: usize, to: usize) -> Self {
        Self {
            data: &self.data[from * self.dim..to * self.dim],
            ..self
        }
    }
}

/// On vectors of 256 bits, or number by number where a machine has none.
fn run<W: WithSimd>(work: W) -> W::Output {
    #[cfg(target_arch = "x86_64")]
    if let Some(simd) = pulp::x86::V3::try_new() {
        return Simd::vectorize(simd, work);
    }
    Simd::vectorize(Scalar256b, work)
}

/// Every line of `x` times every line of `w`: `out` is (x, w), row-major.
pub(super) fn products<T: Number>(x: Lines<'_, T>, w: Lines<'_, T>, out: &mut [f64]) {
    run(Products { x, w, out });
}

struct Products<'a, T> {
    x: Lines<'a, T>,
    w: Lines<'a, T>,
    out: &'a mut [f64],
}

impl<T: Number> WithSimd for Products<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let k = self.w.len();
        let mut class = 0;
        // So many at once that each number is loaded for several products, and few enough for a machine's registers.
        while class < k {
            class += match k - class {
                1 => self.by_rows::<S, 8, 1>(simd, class),
                2 | 4 => self.by_rows::<S, 4, 2>(simd, class),
                _ => self.by_rows::<S, 4, 3>(simd, class),
            };
        }
    }
}

impl<T: Number> Products<'_, T> {
    /// Products with the `C` lines from `class` on; returns `C`.
    #[inline(always)]
    fn by_rows<S: Simd, const R: usize, const C: usize>(&mut self, simd: S, class: usize) -> usize {
        let mut row = 0;
        while row + R <= self.x.len() {
            self.tile::<S, R, C>(simd, row, class);
            row += R;
        }
        while row < self.x.len() {
            self.tile::<S, 1, C>(simd, row, class);
            row += 1;
        }
        C
    }

    #[inline(always)]
    fn tile<S: Simd, const R: usize, const C: usize>(&mut self, simd: S, row: usize, class: usize) {
        let mut x = [T::lanes::<S>(&[]); R];
        let mut w = [T::lanes::<S>(&[]); C];
        for (r, x) in x.iter_mut().enumerate() {
            *x = T::lanes::<S>(self.x.get(row + r));
        }
        for (c, w) in w.iter_mut().enumerate() {
            *w = T::lanes::<S>(self.w.get(class + c));
        }
        let n = w[0].0.len();
        for x in &mut x {
            x.0 = &x.0[..n];
        }
        for w in &mut w {
            w.0 = &w.0[..n];
        }
        let mut sums = [[T::splat(simd, T::default()); C]; R];
        for step in 0..n {
            for r in 0..R {
                for c in 0..C {
                    sums[r][c] = T::fused(simd, x[r].0[step], w[c].0[step], sums[r][c]);
                }
            }
        }
        for r in 0..R {
            for c in 0..C {
                let mut lanes = [T::default(); 8];
                T::store::<S>(sums[r][c], &mut lanes);
                let s = lanes.map(T::wide);
                let tail: f64 = x[r].1.iter().zip(w[c].1).map(|(x, w)| x.wide() * w.wide()).sum();
                let sum = ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7])) + tail;
                self.out[(row + r) * self.w.len() + class + c] = sum;
            }
        }
    }
}

/// Adds to each line of `sums`, one per class, the lines of `x` weighed by their numbers for it: `by` is (x, classes),
/// row-major. Within one call the sums run in `T`.
pub(super) fn add_weighted<T: Number>(x: Lines<'_, T>, by: &[T], sums: &mut [f64]) {
    run(AddWeighted {
        x,
        by,
        k: sums.len() / x.dim,
        sums,
    });
}

struct AddWeighted<'a, T> {
    x: Lines<'a, T>,
    by: &'a [T],
    k: usize,
    sums: &'a mut [f64],
}

impl<T: Number> WithSimd for AddWeighted<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let mut class = 0;
        while class < self.k {
            class += match self.k - class {
                1 => self.columns::<S, 8, 1>(simd, class),
                2 => self.columns::<S, 4, 2>(simd, class),
                3 => self.columns::<S, 4, 3>(simd, class),
                _ => self.columns::<S, 3, 4>(simd, class),
            };
        }
    }
}

impl<T: Number> AddWeighted<'_, T> {
    /// Sums of the `C` classes from `class` on, `V` vectors at once; returns `C`.
    #[inline(always)]
    fn columns<S: Simd, const V: usize, const C: usize>(&mut self, simd: S, class: usize) -> usize {
        let whole = T::lanes::<S>(self.x.get(0)).0.len();
        let lanes = size_of::<T::Lanes<S>>() / size_of::<T>();
        let mut first = 0;
        while first + V <= whole {
            self.tile::<S, V, C>(simd, first * lanes, class);
            first += V;
        }
        while first < whole {
            self.tile::<S, 1, C>(simd, first * lanes, class);
            first += 1;
        }
        for c in class..class + C {
            for j in whole * lanes..self.x.dim {
                let mut sum = T::default();
                for row in 0..self.x.len() {
                    sum = self.x.get(row)[j].times_plus(self.by[row * self.k + c], sum);
                }
                self.sums[c * self.x.dim + j] += sum.wide();
            }
        }
        C
    }

    #[inline(always)]
    fn tile<S: Simd, const V: usize, const C: usize>(&mut self, simd: S, first: usize, class: usize) {
        let lanes = size_of::<T::Lanes<S>>() / size_of::<T>();
        let mut tile = [[T::splat(simd, T::default()); V]; C];
        for (x, by) in self.x.data.chunks_exact(self.x.dim).zip(self.by.chunks_exact(self.k)) {
            let x = &T::lanes::<S>(&x[first..first + V * lanes]).0[..V];
            let by = &by[class..class + C];
            for c in 0..C {
                let by = T::splat(simd, by[c]);
                for v in 0..V {
                    tile[c][v] = T::fused(simd, x[v], by, tile[c][v]);
                }
            }
        }
        for (c, tile) in tile.into_iter().enumerate() {
            let out = &mut self.sums[(class + c) * self.x.dim + first..][..V * lanes];
            for (sums, more) in out.chunks_exact_mut(lanes).zip(tile) {
                let mut numbers = [T::default(); 8];
                T::store::<S>(more, &mut numbers);
                for (sum, more) in sums.iter_mut().zip(numbers) {
                    *sum += more.wide();
                }
            }
        }
    }
}

/// `(x − mean) · scale`, number by number.
pub(super) fn standardise<T: Number>(x: &[f32], mean: &[f32], scale: &[T], out: &mut [T]) {
    run(Standardise { x, mean, scale, out });
}

struct Standardise<'a, T> {
    x: &'a [f32],
    mean: &'a [f32],
    scale: &'a [T],
    out: &'a mut [T],
}

impl<T: Number> WithSimd for Standardise<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        let numbers = self.out.iter_mut().zip(self.x).zip(self.mean).zip(self.scale);
        for (((out, x), mean), scale) in numbers {
            *out = T::of_feature(*x).standardised(T::of_feature(*mean), *scale);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(n: usize, seed: u32) -> Vec<f32> {
        let mut state = seed;
        let next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 16_777_216.0 - 0.5
        };
        std::iter::repeat_with(next).take(n).collect()
    }

    fn check<T: Number>(tolerance: f64) {
        for (rows, k, dim) in [(1, 1, 1), (3, 2, 7), (9, 3, 8), (17, 5, 100), (64, 11, 131)] {
            let of = |n, seed| -> Vec<T> { numbers(n, seed).into_iter().map(T::of_feature).collect() };
            let (x, w, by) = (of(rows * dim, 1), of(k * dim, 2), of(rows * k, 3));
            let (x, w) = (Lines { data: &x, dim }, Lines { data: &w, dim });
            let (mut out, mut sums) = (vec![0.0; rows * k], vec![0.0; k * dim]);
            products(x, w, &mut out);
            add_weighted(x, &by, &mut sums);
            // The same, a machine without vectors.
            let (mut plain_out, mut plain_sums) = (vec![0.0; rows * k], vec![0.0; k * dim]);
            Simd::vectorize(
                Scalar256b,
                Products {
                    x,
                    w,
                    out: &mut plain_out,
                },
            );
            let plain = AddWeighted {
                x,
                by: &by,
                k,
                sums: &mut plain_sums,
            };
            Simd::vectorize(Scalar256b, plain);
            assert_eq!((&out, &sums), (&plain_out, &plain_sums), "the same bits");
            for row in 0..rows {
                for class in 0..k {
                    let pairs = x.get(row).iter().zip(w.get(class));
                    let exact: f64 = pairs.map(|(x, w)| x.wide() * w.wide()).sum();
                    assert!((out[row * k + class] - exact).abs() < tolerance);
                }
            }
            for class in 0..k {
                for j in 0..dim {
                    let exact: f64 = (0..rows)
                        .map(|row| x.get(row)[j].wide() * by[row * k + class].wide())
                        .sum();
                    assert!((sums[class * dim + j] - exact).abs() < tolerance);
                }
            }
        }
    }

    #[test]
    fn sums_are_sums_in_any_shape_and_on_any_machine() {
        check::<f32>(1e-5);
        check::<f64>(1e-13);
    }
}
