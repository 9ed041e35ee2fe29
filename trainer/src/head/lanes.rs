//! Sums of products in fixed lanes.
//!
//! A sum of products always runs in [`LANES`] lanes, each fused product added in the order of the numbers, and the lanes
//! are added in one order. So its bits depend on its numbers alone: not on which rows are multiplied beside it, how many
//! cores there are or how wide a machine's vectors are. The code is plain; [`pulp`] compiles it for the vectors that the
//! machine has.

use std::array::from_fn;

use pulp::{Simd, WithSimd};

/// Partial sums of one sum.
const LANES: usize = 8;

/// f32 or f64.
pub(super) trait Number: Copy + Default + Send + Sync + 'static {
    /// Takes two registers where f32 takes one.
    const IS_WIDE: bool;
    fn of(value: f64) -> Self;
    fn of_feature(value: f32) -> Self;
    fn wide(self) -> f64;
    /// `self · by + more`, rounded once.
    fn times_plus(self, by: Self, more: Self) -> Self;
    fn minus(self, other: Self) -> Self;
    fn times(self, by: Self) -> Self;
}

impl Number for f32 {
    const IS_WIDE: bool = false;

    #[inline(always)]
    #[expect(clippy::cast_possible_truncation, reason = "this is what computing in f32 means")]
    fn of(value: f64) -> Self {
        value as Self
    }

    #[inline(always)]
    fn of_feature(value: f32) -> Self {
        value
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
    fn minus(self, other: Self) -> Self {
        self - other
    }

    #[inline(always)]
    fn times(self, by: Self) -> Self {
        self * by
    }
}

impl Number for f64 {
    const IS_WIDE: bool = true;

    #[inline(always)]
    fn of(value: f64) -> Self {
        value
    }

    #[inline(always)]
    fn of_feature(value: f32) -> Self {
        Self::from(value)
    }

    #[inline(always)]
    fn wide(self) -> f64 {
        self
    }

    #[inline(always)]
    fn times_plus(self, by: Self, more: Self) -> Self {
        self.mul_add(by, more)
    }

    #[inline(always)]
    fn minus(self, other: Self) -> Self {
        self - other
    }

    #[inline(always)]
    fn times(self, by: Self) -> Self {
        self * by
    }
}

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

    pub(super) fn len(&self) -> usize {
        self.data.len().checked_div(self.dim).unwrap_or_default()
    }
}

/// Every line of `x` times every line of `w`: `out` is (x, w), row-major.
pub(super) fn products<T: Number>(x: Lines<'_, T>, w: Lines<'_, T>, out: &mut [f64]) {
    pulp::Arch::new().dispatch(Products { x, w, out });
}

struct Products<'a, T> {
    x: Lines<'a, T>,
    w: Lines<'a, T>,
    out: &'a mut [f64],
}

impl<T: Number> WithSimd for Products<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        products_here(self.x, self.w, self.out);
    }
}

#[inline(always)]
fn products_here<T: Number>(x: Lines<'_, T>, w: Lines<'_, T>, out: &mut [f64]) {
    let k = w.len();
    let mut class = 0;
    // So many at once that each number is loaded for several products, and few enough for a machine's registers.
    while class < k {
        class += match (T::IS_WIDE, k - class) {
            (false, 1) => by_rows::<T, 8, 1>(x, w, class, out),
            (false, 2 | 4) => by_rows::<T, 4, 2>(x, w, class, out),
            (false, _) => by_rows::<T, 4, 3>(x, w, class, out),
            (true, 1) => by_rows::<T, 4, 1>(x, w, class, out),
            (true, _) => by_rows::<T, 2, 2>(x, w, class, out),
        };
    }
}

/// Products with the `C` lines from `class` on; returns `C`.
#[inline(always)]
fn by_rows<T: Number, const R: usize, const C: usize>(
    x: Lines<'_, T>,
    w: Lines<'_, T>,
    class: usize,
    out: &mut [f64],
) -> usize {
    let (k, rows) = (w.len(), x.len());
    let classes: [&[T]; C] = from_fn(|c| w.get(class + c));
    let mut row = 0;
    while row + R <= rows {
        let sums = tile::<T, R, C>(from_fn(|r| x.get(row + r)), classes);
        for (r, sums) in sums.into_iter().enumerate() {
            out[(row + r) * k + class..][..C].copy_from_slice(&sums);
        }
        row += R;
    }
    while row < rows {
        let [sums] = tile::<T, 1, C>([x.get(row)], classes);
        out[row * k + class..][..C].copy_from_slice(&sums);
        row += 1;
    }
    C
}

#[inline(always)]
fn tile<T: Number, const R: usize, const C: usize>(x: [&[T]; R], w: [&[T]; C]) -> [[f64; C]; R] {
    let dim = w[0].len();
    let whole = dim / LANES;
    let x_lanes: [&[[T; LANES]]; R] = from_fn(|r| &x[r].as_chunks().0[..whole]);
    let w_lanes: [&[[T; LANES]]; C] = from_fn(|c| &w[c].as_chunks().0[..whole]);
    let mut sums = [[[T::default(); LANES]; C]; R];
    for step in 0..whole {
        let b: [[T; LANES]; C] = from_fn(|c| w_lanes[c][step]);
        for r in 0..R {
            let a = x_lanes[r][step];
            for c in 0..C {
                for lane in 0..LANES {
                    sums[r][c][lane] = a[lane].times_plus(b[c][lane], sums[r][c][lane]);
                }
            }
        }
    }
    from_fn(|r| {
        from_fn(|c| {
            let s = sums[r][c].map(T::wide);
            let tail = x[r][whole * LANES..].iter().zip(&w[c][whole * LANES..]);
            let tail: f64 = tail.map(|(x, w)| x.wide() * w.wide()).sum();
            ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7])) + tail
        })
    })
}

/// Adds to each line of `sums`, one per class, the lines of `x` weighed by their numbers for it: `r` is (x, classes),
/// row-major. Within one call the sums run in `T`.
pub(super) fn add_weighted<T: Number>(x: Lines<'_, T>, r: &[T], sums: &mut [f64]) {
    pulp::Arch::new().dispatch(AddWeighted { x, r, sums });
}

struct AddWeighted<'a, T> {
    x: Lines<'a, T>,
    r: &'a [T],
    sums: &'a mut [f64],
}

impl<T: Number> WithSimd for AddWeighted<'_, T> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        add_weighted_here(self.x, self.r, self.sums);
    }
}

#[inline(always)]
fn add_weighted_here<T: Number>(x: Lines<'_, T>, r: &[T], sums: &mut [f64]) {
    let k = sums.len() / x.dim;
    let mut class = 0;
    while class < k {
        class += match (T::IS_WIDE, k - class) {
            (false, 1) => columns::<T, 8, 1>(x, r, k, class, sums),
            (false, 2) => columns::<T, 4, 2>(x, r, k, class, sums),
            (false, 3) => columns::<T, 4, 3>(x, r, k, class, sums),
            (false, _) => columns::<T, 2, 4>(x, r, k, class, sums),
            (true, 1) => columns::<T, 4, 1>(x, r, k, class, sums),
            (true, _) => columns::<T, 2, 2>(x, r, k, class, sums),
        };
    }
}

/// Sums of the `C` classes from `class` on; returns `C`.
#[inline(always)]
fn columns<T: Number, const V: usize, const C: usize>(
    x: Lines<'_, T>,
    r: &[T],
    k: usize,
    class: usize,
    sums: &mut [f64],
) -> usize {
    let (dim, rows) = (x.dim, x.len());
    let width = V * LANES;
    let mut first = 0;
    while first + width <= dim {
        let mut tile = [[[T::default(); LANES]; V]; C];
        for row in 0..rows {
            let (x, _) = x.data[row * dim + first..][..width].as_chunks::<LANES>();
            let by = &r[row * k + class..][..C];
            for v in 0..V {
                let x = x[v];
                for c in 0..C {
                    for lane in 0..LANES {
                        tile[c][v][lane] = x[lane].times_plus(by[c], tile[c][v][lane]);
                    }
                }
            }
        }
        for (c, tile) in tile.iter().enumerate() {
            let out = &mut sums[(class + c) * dim + first..][..width];
            for (sum, more) in out.iter_mut().zip(tile.as_flattened()) {
                *sum += more.wide();
            }
        }
        first += width;
    }
    for c in class..class + C {
        for j in first..dim {
            let mut sum = T::default();
            for row in 0..rows {
                sum = x.data[row * dim + j].times_plus(r[row * k + c], sum);
            }
            sums[c * dim + j] += sum.wide();
        }
    }
    C
}

/// `(x − mean) · scale`, number by number.
pub(super) fn standardise<T: Number>(x: &[f32], mean: &[f32], scale: &[T], out: &mut [T]) {
    pulp::Arch::new().dispatch(Standardise { x, mean, scale, out });
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
            *out = T::of_feature(*x).minus(T::of_feature(*mean)).times(*scale);
        }
    }
}
