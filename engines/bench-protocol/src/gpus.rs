//! What an adapter makes of the number of GPUs that it finds.

use std::fmt::Display;

use crate::failure::Failure;
use crate::spec::Device;

/// GPUs by a driver's answer; where it is an error, stderr has the reason why there is none.
pub fn count_gpus<E: Display>(answer: Result<i32, E>) -> usize {
    match answer {
        Ok(count) => usize::try_from(count).unwrap_or(0),
        Err(error) => {
            eprintln!("no GPU can be used: {error}");
            0
        }
    }
}

/// Kinds of device for [`crate::Capabilities`] where the adapter finds so many GPUs.
#[must_use]
pub fn device_kinds(gpus: usize) -> Vec<&'static str> {
    if gpus == 0 {
        vec!["cpu"]
    } else {
        vec!["cpu", "cuda"]
    }
}

/// Refuse a GPU that is not there.
///
/// # Errors
/// [`Failure::unsupported`] where the device is beyond the GPUs.
pub fn require_device(device: Device, gpus: usize) -> Result<(), Failure> {
    match device {
        Device::Cuda(index) if index >= gpus => Err(Failure::unsupported(format!(
            "device: cuda:{index} is asked for, the driver has {gpus}"
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_that_fails_has_no_gpu() {
        assert_eq!(count_gpus::<&str>(Ok(2)), 2);
        assert_eq!(count_gpus(Err("no driver")), 0);
    }

    #[test]
    fn a_gpu_beyond_those_that_are_there_is_refused() {
        assert_eq!(require_device(Device::Cpu, 0), Ok(()));
        assert_eq!(require_device(Device::Cuda(1), 2), Ok(()));
        let failure = require_device(Device::Cuda(2), 2).unwrap_err();
        assert_eq!(
            failure,
            Failure::unsupported("device: cuda:2 is asked for, the driver has 2")
        );
    }

    #[test]
    fn cuda_is_a_kind_only_where_there_is_a_gpu() {
        assert_eq!(device_kinds(0), ["cpu"]);
        assert_eq!(device_kinds(1), ["cpu", "cuda"]);
    }
}
