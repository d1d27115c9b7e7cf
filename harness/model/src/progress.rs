//! How far the reading of a backup is.

use serde::{Deserialize, Serialize};

/// The bytes of a backup that were read so far, as it is kept: compressed ones count as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The bytes that were read.
    pub read_bytes: u64,
    /// The bytes that there are.
    pub total_bytes: u64,
    /// The time since the first of them, in milliseconds.
    pub elapsed_ms: u64,
}

impl Progress {
    /// The mean rate so far.
    pub fn bytes_per_second(&self) -> u64 {
        let rate = u128::from(self.read_bytes) * 1_000 / u128::from(self.elapsed_ms.max(1));
        u64::try_from(rate).unwrap_or(u64::MAX)
    }

    /// The time that the rest takes at this rate, in milliseconds; `None` if nothing was read yet.
    pub fn left_ms(&self) -> Option<u64> {
        let left = u128::from(self.total_bytes.saturating_sub(self.read_bytes)) * u128::from(self.elapsed_ms);
        left.checked_div(u128::from(self.read_bytes)).and_then(|ms| u64::try_from(ms).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_takes_as_long_as_the_rate_says() {
        let quarter = Progress { read_bytes: 250, total_bytes: 1_000, elapsed_ms: 500 };
        assert_eq!((quarter.bytes_per_second(), quarter.left_ms()), (500, Some(1_500)));
        let none = Progress { read_bytes: 0, total_bytes: 1_000, elapsed_ms: 0 };
        assert_eq!((none.bytes_per_second(), none.left_ms()), (0, None));
        let grown = Progress { read_bytes: u64::MAX, total_bytes: 1, elapsed_ms: u64::MAX };
        assert_eq!((grown.bytes_per_second(), grown.left_ms()), (1_000, Some(0)));
    }
}
