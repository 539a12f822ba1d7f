//! What an adapter makes of the number of GPUs that it finds.

use std::fmt::Display;

use crate::failure::Failure;
use crate::spec::Device;
use crate::words::tell;

/// GPUs that an adapter found, or why none can be used.
pub type Gpus = Result<usize, String>;

/// GPUs by a driver's answer.
///
/// # Errors
/// The driver's own error in words.
pub fn count_gpus<E: Display>(answer: Result<i32, E>) -> Gpus {
    let count = answer.map_err(|error| error.to_string())?;
    usize::try_from(count).map_err(|error| error.to_string())
}

/// Kinds of device for [`crate::Capabilities`]; stderr has the reason where no GPU can be used.
#[must_use]
pub fn device_kinds(gpus: &Gpus) -> Vec<&'static str> {
    match gpus {
        Ok(0) => vec!["cpu"],
        Ok(_) => vec!["cpu", "cuda"],
        Err(reason) => {
            tell(format_args!("no GPU can be used: {reason}"));
            vec!["cpu"]
        }
    }
}

/// Refuse a GPU that is not there.
///
/// # Errors
/// [`Failure::unsupported`] where the device is beyond the GPUs or none can be used.
pub fn require_device(device: Device, gpus: &Gpus) -> Result<(), Failure> {
    let Device::Cuda(index) = device else {
        return Ok(());
    };
    match gpus {
        Ok(count) if index < *count => Ok(()),
        Ok(count) => Err(Failure::unsupported(format!(
            "device: cuda:{index} is asked for, the driver has {count}"
        ))),
        Err(reason) => Err(Failure::unsupported(format!(
            "device: cuda:{index} is asked for, and no GPU can be used: {reason}"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_that_fails_says_why() {
        assert_eq!(count_gpus::<&str>(Ok(2)), Ok(2));
        assert_eq!(count_gpus(Err("no driver")), Err("no driver".to_owned()));
    }

    #[test]
    fn a_gpu_beyond_those_that_are_there_is_refused() {
        assert_eq!(require_device(Device::Cpu, &Ok(0)), Ok(()));
        assert_eq!(require_device(Device::Cuda(1), &Ok(2)), Ok(()));
        let failure = require_device(Device::Cuda(2), &Ok(2)).unwrap_err();
        assert_eq!(
            failure,
            Failure::unsupported("device: cuda:2 is asked for, the driver has 2")
        );
    }

    #[test]
    fn a_gpu_that_cannot_be_used_is_refused_with_the_reason() {
        let gpus = Err("libcuda is not found".to_owned());
        assert_eq!(require_device(Device::Cpu, &gpus), Ok(()));
        let failure = require_device(Device::Cuda(0), &gpus).unwrap_err();
        assert_eq!(
            failure,
            Failure::unsupported(
                "device: cuda:0 is asked for, and no GPU can be used: libcuda is not found"
            )
        );
    }

    #[test]
    fn cuda_is_a_kind_only_where_there_is_a_gpu() {
        assert_eq!(device_kinds(&Ok(0)), ["cpu"]);
        assert_eq!(device_kinds(&Err("no driver".to_owned())), ["cpu"]);
        assert_eq!(device_kinds(&Ok(1)), ["cpu", "cuda"]);
    }
}
