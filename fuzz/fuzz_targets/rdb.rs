//! Any bytes as an RDB file: answered or refused, never a panic, and no more memory than they justify
//! (`-malloc_limit_mb`, `-rss_limit_mb`).

#![no_main]

use comeback_digest::rdb::{compare_exact, fingerprint_rdb};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // Most bytes are no file: they are given a header, so that what lies behind it is reached.
    let framed = [&b"REDIS0012"[..], bytes, b"\xFF\0\0\0\0\0\0\0\0"].concat();
    for file in [bytes, &framed] {
        if let Ok(summary) = fingerprint_rdb(file) {
            assert!(summary.fingerprint.compare(&summary.fingerprint, 0).is_same());
            assert!(compare_exact(|| Ok(file), || Ok(file), 0, 10).is_ok());
        }
    }
});
