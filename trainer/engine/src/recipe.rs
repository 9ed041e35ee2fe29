//! The feature recipe: which map is tapped, and how it becomes one row of numbers. Part of the backbone's digest.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{EngineError, Spec};

/// Where features are taken and how they are pooled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipe {
    /// The map.
    pub tap: Tap,
    /// What is made of it.
    pub pool: Pool,
}

/// A map of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tap {
    /// The output of this block, after its residual; blocks count from 0.
    Block(u32),
    /// The output of the last 1×1 convolution.
    Head,
}

/// How a map of (row, column, channel) becomes numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Pool {
    /// The mean over the whole map: one number per channel.
    Gap,
    /// `trim` rows and columns are cut off on each side, the rest is divided into `cells` × `cells` and averaged in each;
    /// flattened in (row, column, channel) order.
    Grid {
        /// Rows and columns cut off on each side.
        trim: u32,
        /// Cells along each side.
        cells: u32,
    },
}

/// The tapped map and its pooling in numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Blocks that are computed.
    pub(crate) n_blocks: usize,
    /// The last 1×1 convolution comes behind them.
    pub(crate) head: bool,
    pub(crate) side: usize,
    pub(crate) channels: usize,
    pub(crate) trim: usize,
    pub(crate) cells: usize,
    pub(crate) cell_side: usize,
}

impl Taken {
    pub(crate) const fn dim(&self) -> usize {
        self.cells * self.cells * self.channels
    }
}

impl Recipe {
    /// What the bundled backbone uses: characters are a matter of where strokes are, so places are kept.
    #[must_use]
    pub const fn default_lite0() -> Self {
        Self {
            tap: Tap::Block(10),
            pool: Pool::Grid { trim: 1, cells: 4 },
        }
    }

    /// What a first model of the bundled backbone is compared on: characters want places (a grid), textures and whole
    /// objects want means, and how far from the photos of `ImageNet` a task is decides how deep to tap.
    #[must_use]
    pub const fn lineup_lite0() -> [Self; 6] {
        const fn of(block: u32, pool: Pool) -> Recipe {
            Recipe {
                tap: Tap::Block(block),
                pool,
            }
        }
        [
            Self::default_lite0(),
            of(7, Pool::Grid { trim: 1, cells: 4 }),
            of(10, Pool::Grid { trim: 1, cells: 2 }),
            of(10, Pool::Gap),
            of(15, Pool::Gap),
            Self {
                tap: Tap::Head,
                pool: Pool::Gap,
            },
        ]
    }

    /// Numbers per image.
    ///
    /// # Errors
    /// The recipe does not fit the architecture.
    pub fn dim(&self, spec: &Spec) -> Result<usize, EngineError> {
        Ok(self.resolve(spec)?.dim())
    }

    pub(crate) fn resolve(&self, spec: &Spec) -> Result<Taken, EngineError> {
        let refuse = |reason: String| EngineError::Recipe {
            recipe: self.to_string(),
            architecture: spec.name.clone(),
            reason,
        };
        let layers = spec.layers()?;
        let (n_blocks, last) = match self.tap {
            Tap::Block(block) => {
                let last = layers.iter().rfind(|layer| layer.block == Some(block)).ok_or_else(|| {
                    let n = spec.blocks.len();
                    refuse(format!("it has {n} blocks, counted from 0"))
                })?;
                (block as usize + 1, last)
            }
            Tap::Head => {
                let last = layers.last().ok_or_else(|| refuse("it has no layers".into()))?;
                (spec.blocks.len(), last)
            }
        };
        let side = last.side_out as usize;
        let (trim, cells) = match self.pool {
            Pool::Gap => (0, 1),
            Pool::Grid { trim, cells } => (trim as usize, cells as usize),
        };
        let inner = side.saturating_sub(2 * trim);
        if cells == 0 || inner == 0 || !inner.is_multiple_of(cells) {
            return Err(refuse(format!(
                "{cells} cells do not divide the {inner} rows and columns left of {side}"
            )));
        }
        Ok(Taken {
            n_blocks,
            head: self.tap == Tap::Head,
            side,
            channels: last.channels_out as usize,
            trim,
            cells,
            cell_side: inner / cells,
        })
    }
}

impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.tap {
            Tap::Block(block) => write!(f, "block{block} ")?,
            Tap::Head => write!(f, "head ")?,
        }
        match self.pool {
            Pool::Gap => write!(f, "gap"),
            Pool::Grid { trim, cells } => write!(f, "grid trim{trim} {cells}x{cells}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_reads_as_its_name_and_has_1792_numbers() {
        let recipe = Recipe::default_lite0();
        assert_eq!(recipe.to_string(), "block10 grid trim1 4x4");
        assert_eq!(recipe.dim(&Spec::efficientnet_lite0()), Ok(1792));
        let gap = Recipe {
            tap: Tap::Head,
            pool: Pool::Gap,
        };
        assert_eq!(
            (gap.to_string().as_str(), gap.dim(&Spec::mobilenet_v2())),
            ("head gap", Ok(1280))
        );
    }

    #[test]
    fn a_lineup_fits_and_starts_with_the_default() {
        let spec = Spec::efficientnet_lite0();
        let lineup = Recipe::lineup_lite0();
        let dims = lineup.map(|recipe| recipe.dim(&spec).unwrap());
        assert_eq!(lineup[0], Recipe::default_lite0());
        assert_eq!(dims, [1792, 1280, 448, 112, 320, 1280]);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let spec = Spec::efficientnet_lite0();
        for (block, trim, cells) in [(16, 1, 4), (10, 1, 5), (10, 7, 1), (10, 1, 0), (10, u32::MAX / 2, 1)] {
            let recipe = Recipe {
                tap: Tap::Block(block),
                pool: Pool::Grid { trim, cells },
            };
            assert!(recipe.dim(&spec).is_err(), "{recipe}");
        }
    }
}
