//! What can be wrong with a network on candle, or with the device that it shall run on.

use engine::EngineError;

use super::ComputeDevice;

/// A network cannot be made or computed.
#[derive(Debug, thiserror::Error)]
pub enum BackboneError {
    /// Architecture, recipe, weights or images do not fit.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// Not the name of a device.
    #[error("{0:?} is no device: say cpu, or cuda:0 for the first GPU")]
    DeviceName(String),
    /// The binary was built without the feature `cuda`.
    #[error(
        "cannot compute on {0}: this build has no CUDA; build the worker with `cargo build -p server --features cuda`"
    )]
    NoCuda(ComputeDevice),
    /// The driver does not start.
    #[error(
        "cannot compute on {device}: the CUDA driver answers {reason}; is there a GPU, and does `nvidia-smi` list it?"
    )]
    Driver {
        /// What was asked for.
        device: ComputeDevice,
        /// What the driver said.
        reason: String,
    },
    /// The machine has fewer devices.
    #[error("cannot compute on {device}: this machine has {n_devices} CUDA device(s), counted from cuda:0")]
    NoSuchDevice {
        /// What was asked for.
        device: ComputeDevice,
        /// How many there are.
        n_devices: usize,
    },
    /// The device computes something else than the engine does.
    #[error(
        "{device} computes features that differ from the engine's by {difference:.1e} of their size, at most {allowed:.1e} is usual"
    )]
    Disagrees {
        /// The device.
        device: ComputeDevice,
        /// Largest difference, as a share of the largest number.
        difference: f32,
        /// The largest that half precision explains.
        allowed: f32,
    },
    /// No thread for a device.
    #[error("cannot start the thread that a device belongs to: {0}")]
    Thread(std::io::Error),
    /// candle failed.
    #[error("cannot {action}: {reason}")]
    Candle {
        /// What was attempted.
        action: String,
        /// What candle said, without its frames.
        reason: String,
    },
}

/// Says what was attempted when candle fails.
pub(super) trait Doing<T> {
    fn doing(self, action: &str) -> Result<T, BackboneError>;
    fn doing_with(self, action: impl FnOnce() -> String) -> Result<T, BackboneError>;
}

impl<T> Doing<T> for candle_core::Result<T> {
    fn doing(self, action: &str) -> Result<T, BackboneError> {
        self.doing_with(|| action.to_owned())
    }

    fn doing_with(self, action: impl FnOnce() -> String) -> Result<T, BackboneError> {
        self.map_err(|error| BackboneError::Candle {
            action: action(),
            reason: plain(error),
        })
    }
}

/// An error's own words: candle puts a backtrace behind them where the environment asks for one.
fn plain(error: candle_core::Error) -> String {
    match error {
        candle_core::Error::WithBacktrace { inner, .. } => plain(*inner),
        other => other.to_string(),
    }
}
