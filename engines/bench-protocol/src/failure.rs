//! What can go wrong, in the protocol's four kinds.

use serde::Serialize;

/// Kind of an `error` event; it decides the exit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The adapter says that it cannot do what the spec asks.
    Unsupported,
    /// The spec could not be used.
    BadSpec,
    /// The engine ran out of memory.
    OutOfMemory,
    /// The engine failed.
    Internal,
}

impl Kind {
    /// Exit status of the adapter after an error of this kind.
    #[must_use]
    pub fn exit_status(self) -> u8 {
        match self {
            Self::Internal | Self::OutOfMemory => 1,
            Self::BadSpec => 2,
            Self::Unsupported => 3,
        }
    }
}

/// Why the adapter ends without `done`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// Which of the protocol's kinds this is.
    pub kind: Kind,
    /// What went wrong and what would help.
    pub message: String,
}

impl Failure {
    /// The adapter cannot do what the spec asks.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Self::new(Kind::Unsupported, message)
    }

    /// The spec could not be used.
    pub fn bad_spec(message: impl Into<String>) -> Self {
        Self::new(Kind::BadSpec, message)
    }

    /// The engine ran out of memory.
    pub fn out_of_memory(message: impl Into<String>) -> Self {
        Self::new(Kind::OutOfMemory, message)
    }

    /// The engine failed.
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(Kind::Internal, message)
    }

    /// What an engine's own error says. Only its text tells that memory ran out, and a backtrace may
    /// follow the first line.
    #[must_use]
    pub fn of_engine(engine: &str, text: &str) -> Self {
        let message = format!("{engine}: {}", text.lines().next().unwrap_or_default());
        let words = text.to_lowercase().replace('_', " ");
        if words.contains("out of memory") {
            return Self::out_of_memory(message);
        }
        Self::internal(message)
    }

    fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lack_of_memory_is_told_from_other_failures() {
        let kind = |text: &str| Failure::of_engine("tiny", text).kind;
        assert_eq!(
            kind("DriverError(CUDA_ERROR_OUT_OF_MEMORY)"),
            Kind::OutOfMemory
        );
        assert_eq!(kind("shape mismatch"), Kind::Internal);
    }

    #[test]
    fn a_backtrace_is_cut_off() {
        let traced = Failure::of_engine("tiny", "first\n   0: frame");
        assert_eq!(traced.message, "tiny: first");
    }
}
