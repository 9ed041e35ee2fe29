//! Which device computes: always said, never guessed, since a machine that silently falls back is only slow.

use std::fmt;
use std::str::FromStr;

use candle_core::{DType, Device};

use super::BackboneError;

/// The device that computes features.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ComputeDevice {
    /// The engine, on all cores.
    #[default]
    Cpu,
    /// The GPU of this number.
    Cuda(usize),
}

/// A device that is open, and the type of numbers that it computes with.
#[derive(Clone, Debug)]
pub struct Compute {
    /// The device.
    pub device: Device,
    /// f32, or on a GPU f16, whose products are summed in f32.
    pub dtype: DType,
}

impl Compute {
    /// f32 on the CPU.
    #[must_use]
    pub const fn cpu() -> Self {
        Self {
            device: Device::Cpu,
            dtype: DType::F32,
        }
    }

    /// Names the arithmetic, as a part of a feature's key.
    #[must_use]
    pub const fn kernel(&self) -> &'static str {
        match (&self.device, self.dtype) {
            (Device::Cuda(_), DType::F16) => "cuda-f16-1",
            (Device::Cuda(_), _) => "cuda-f32-1",
            _ => "candle-f32-1",
        }
    }
}

impl ComputeDevice {
    /// Opens it: f32 on the CPU, f16 on a GPU.
    ///
    /// # Errors
    /// The build has no CUDA, the driver does not start, or there is no such device.
    pub fn open(self) -> Result<Compute, BackboneError> {
        match self {
            Self::Cpu => Ok(Compute::cpu()),
            Self::Cuda(number) => Ok(Compute {
                device: open_cuda(self, number)?,
                dtype: DType::F16,
            }),
        }
    }
}

#[cfg(not(feature = "cuda"))]
const fn open_cuda(device: ComputeDevice, _number: usize) -> Result<Device, BackboneError> {
    Err(BackboneError::NoCuda(device))
}

#[cfg(feature = "cuda")]
fn open_cuda(device: ComputeDevice, number: usize) -> Result<Device, BackboneError> {
    use candle_core::cuda::cudarc::driver::{CudaContext, DriverError};

    use super::error::Doing;

    // Asked before candle is, whose answer to a machine without a GPU is a number.
    let refused = |DriverError(code): DriverError| BackboneError::Driver {
        device,
        reason: format!("{code:?}"),
    };
    let n_devices = CudaContext::device_count().map_err(refused)?;
    let n_devices = usize::try_from(n_devices).unwrap_or_default();
    if number >= n_devices {
        return Err(BackboneError::NoSuchDevice { device, n_devices });
    }
    Device::new_cuda(number).doing_with(|| format!("open {device}"))
}

impl FromStr for ComputeDevice {
    type Err = BackboneError;

    fn from_str(text: &str) -> Result<Self, BackboneError> {
        let number = |text: &str| {
            text.bytes()
                .all(|byte| byte.is_ascii_digit())
                .then(|| text.parse().ok())
        };
        match text.split_once(':') {
            None if text == "cpu" => Some(Self::Cpu),
            Some(("cuda", text)) => number(text).flatten().map(Self::Cuda),
            _ => None,
        }
        .ok_or_else(|| BackboneError::DeviceName(text.to_owned()))
    }
}

impl fmt::Display for ComputeDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Cuda(number) => write!(f, "cuda:{number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_named_as_they_are_written() {
        for (text, device) in [
            ("cpu", ComputeDevice::Cpu),
            ("cuda:0", ComputeDevice::Cuda(0)),
            ("cuda:12", ComputeDevice::Cuda(12)),
        ] {
            assert_eq!(text.parse::<ComputeDevice>().unwrap(), device);
            assert_eq!(device.to_string(), text);
        }
        for text in [
            "", "gpu", "cuda", "cuda:", "cuda:x", "cuda:-1", "cuda:+1", "CPU", "cpu:0", "cuda:0:1",
        ] {
            let error = text.parse::<ComputeDevice>().unwrap_err().to_string();
            assert!(error.contains("is no device"), "{text}: {error}");
        }
    }

    #[cfg(not(feature = "cuda"))]
    #[test]
    fn a_build_without_cuda_says_so() {
        let error = ComputeDevice::Cuda(1).open().unwrap_err().to_string();
        assert!(
            error.contains("cuda:1") && error.contains("this build has no CUDA"),
            "{error}"
        );
        assert_eq!(ComputeDevice::Cpu.open().unwrap().kernel(), "candle-f32-1");
    }
}
