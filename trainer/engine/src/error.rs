//! What can be wrong with a backbone or with what it is given.

/// A backbone cannot be loaded, or an image cannot be computed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// The weights are not a safetensors file.
    #[error("the weights are not a safetensors file: {reason}")]
    NotSafetensors {
        /// What the parser said.
        reason: String,
    },
    /// A tensor that the architecture needs is not in the file.
    #[error("the weights of {architecture} lack the tensor {name:?}")]
    MissingTensor {
        /// Architecture.
        architecture: String,
        /// The tensor's name.
        name: String,
    },
    /// A tensor has another shape than the architecture says.
    #[error("tensor {name:?} has shape {got:?}, the architecture expects {expected:?}")]
    TensorShape {
        /// The tensor's name.
        name: String,
        /// Shape by the architecture.
        expected: Vec<usize>,
        /// Shape in the file.
        got: Vec<usize>,
    },
    /// A tensor is neither f32 nor f16.
    #[error("tensor {name:?} is {got}, expected F32 or F16")]
    TensorType {
        /// The tensor's name.
        name: String,
        /// Element type in the file.
        got: String,
    },
    /// A tensor holds a value that is not a number, or infinite.
    #[error("tensor {name:?} holds {value} at index {index}: the weights are damaged")]
    NotFinite {
        /// The tensor's name.
        name: String,
        /// Where.
        index: usize,
        /// The value, as text.
        value: String,
    },
    /// The architecture contradicts itself.
    #[error("architecture {architecture}: {reason}")]
    Spec {
        /// Architecture.
        architecture: String,
        /// What does not fit.
        reason: String,
    },
    /// The recipe does not fit the architecture.
    #[error("recipe {recipe} does not fit {architecture}: {reason}")]
    Recipe {
        /// Recipe, as text.
        recipe: String,
        /// Architecture.
        architecture: String,
        /// What does not fit.
        reason: String,
    },
    /// The preprocessing makes images of another size than the architecture reads.
    #[error("preprocessing makes images {got} pixels wide, {architecture} reads {expected}")]
    InputSide {
        /// Architecture.
        architecture: String,
        /// Side by the architecture.
        expected: u32,
        /// Side by the preprocessing.
        got: u32,
    },
    /// A buffer has another length than it must.
    #[error("{what} has {got} values, expected {expected}")]
    Length {
        /// Which buffer.
        what: &'static str,
        /// Values it must have.
        expected: usize,
        /// Values it has.
        got: usize,
    },
    /// The device that computes in the engine's place failed; the image is not to blame.
    #[error("the device failed: {reason}")]
    Device {
        /// What it said.
        reason: String,
    },
    /// An image cannot be resized.
    #[error("cannot resize an image of {width} x {height} pixels: {reason}")]
    Resize {
        /// Pixels across.
        width: u32,
        /// Pixels down.
        height: u32,
        /// What the resizer said.
        reason: String,
    },
}
