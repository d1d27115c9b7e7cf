//! Formats figures for people: durations, sizes, counts and instants, the same in every report.

use comeback_model::Progress;
use jiff::Timestamp;

/// A duration with few digits: `830 ms`, `4.2 s`, `1 min 12 s`, `3 h 5 min`, `2 d 4 h`.
pub fn duration(ms: u64) -> String {
    // Round before choosing the unit: 59 960 ms would print as `60.0 s`.
    let tenths = ms.saturating_add(50) / 100;
    let seconds = ms.saturating_add(500) / 1_000;
    let minutes = seconds.saturating_add(30) / 60;
    let hours = minutes.saturating_add(30) / 60;
    match ms {
        0..1_000 => format!("{ms} ms"),
        _ if tenths < 600 => format!("{}.{} s", tenths / 10, tenths % 10),
        _ if seconds < 3_600 => pair(seconds / 60, "min", seconds % 60, "s"),
        _ if minutes < 1_440 => pair(minutes / 60, "h", minutes % 60, "min"),
        _ => pair(hours / 24, "d", hours % 24, "h"),
    }
}

fn pair(large: u64, large_unit: &str, small: u64, small_unit: &str) -> String {
    if small == 0 {
        format!("{} {large_unit}", count(large))
    } else {
        format!("{} {large_unit} {small} {small_unit}", count(large))
    }
}

/// A documented limit, with both ends of a range: `15–30 min`, `45 s – 2 min`, `30 min`.
pub fn limit(lower_ms: Option<u64>, upper_ms: u64) -> String {
    let Some(lower_ms) = lower_ms else { return exact(upper_ms) };
    let (lower, upper) = (exact(lower_ms), exact(upper_ms));
    match (lower.rsplit_once(' '), upper.rsplit_once(' ')) {
        (Some((low, unit)), Some((high, same))) if unit == same && is_number(low) && is_number(high) => {
            format!("{low}–{high} {unit}")
        }
        _ => format!("{lower} – {upper}"),
    }
}

fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A limit is a round figure in a document, so whole seconds get no decimal.
fn exact(ms: u64) -> String {
    if ms < 60_000 && ms.is_multiple_of(1_000) { format!("{} s", ms / 1_000) } else { duration(ms) }
}

/// A size in decimal units, as storage vendors use: `512 B`, `12.3 MB`.
pub fn bytes(size: u64) -> String {
    const UNITS: [&str; 6] = ["kB", "MB", "GB", "TB", "PB", "EB"];
    if size < 1_000 {
        return format!("{size} B");
    }
    let mut value = size as f64 / 1_000.0;
    let mut unit = 0;
    // 999.95 would print as `1000.0`.
    while value >= 999.95 && unit + 1 < UNITS.len() {
        value /= 1_000.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// A number with thousands separators: `104,211`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A number of things, with the noun in singular or plural: `1 drill`, `21 tables`.
pub fn plural(number: u64, noun: &str) -> String {
    format!("{} {noun}{}", count(number), if number == 1 { "" } else { "s" })
}

/// How far the reading of a backup is: `read 120.0 MB of 1.2 GB, 60.0 MB/s, 18.0 s left`.
pub fn progress(progress: &Progress) -> String {
    let (read, rate) = (bytes(progress.read_bytes), bytes(progress.bytes_per_second()));
    // A total of 0 is one that is not known.
    match progress.left_ms().filter(|_| progress.total_bytes > 0) {
        Some(left_ms) => {
            let (total, left) = (bytes(progress.total_bytes), duration(left_ms));
            format!("read {read} of {total}, {rate}/s, {left} left")
        }
        None => format!("read {read}, {rate}/s"),
    }
}

/// An instant to the second, in UTC: `2026-11-01 06:00:00 UTC`.
pub fn instant(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_are_told_in_the_unit_a_person_would_use() {
        for (ms, text) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (1_000, "1.0 s"),
            (4_249, "4.2 s"),
            (59_949, "59.9 s"),
            (59_960, "1 min"),
            (72_000, "1 min 12 s"),
            (1_800_000, "30 min"),
            (3_599_600, "1 h"),
            (11_100_000, "3 h 5 min"),
            (86_399_000, "1 d"),
            (187_200_000, "2 d 4 h"),
        ] {
            assert_eq!(duration(ms), text, "{ms}");
        }
    }

    #[test]
    fn a_range_keeps_both_its_ends() {
        assert_eq!(limit(Some(900_000), 1_800_000), "15–30 min");
        assert_eq!(limit(Some(45_000), 120_000), "45 s – 2 min");
        assert_eq!(limit(Some(90_000), 150_000), "1 min 30 s – 2 min 30 s");
        assert_eq!(limit(Some(10_000), 30_000), "10–30 s");
        assert_eq!(limit(None, 1_800_000), "30 min");
    }

    #[test]
    fn sizes_and_counts_are_grouped() {
        assert_eq!(bytes(999), "999 B");
        assert_eq!(bytes(12_345_678), "12.3 MB");
        assert_eq!(bytes(999_999), "1.0 MB");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_204_211), "1,204,211");
        assert_eq!(plural(1, "drill"), "1 drill");
        assert_eq!(plural(21, "table"), "21 tables");
    }

    #[test]
    fn progress_names_what_is_known() {
        let some = Progress { read_bytes: 120_000_000, total_bytes: 1_200_000_000, elapsed_ms: 2_000 };
        assert_eq!(progress(&some), "read 120.0 MB of 1.2 GB, 60.0 MB/s, 18.0 s left");
        assert_eq!(progress(&Progress { total_bytes: 0, ..some }), "read 120.0 MB, 60.0 MB/s");
    }

    proptest! {
        #[test]
        fn no_figure_is_too_large_to_be_told(number: u64, other: u64) {
            prop_assert!(!duration(number).is_empty());
            prop_assert!(!bytes(number).starts_with("1000"));
            prop_assert!(!limit(Some(other), number).is_empty());
            prop_assert_eq!(count(number).replace(',', ""), number.to_string());
        }
    }
}
