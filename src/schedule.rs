//! When a backup is taken, as cron writes it.

use jiff::civil::{Date, date};
use jiff::{SignedDuration, ToSpan as _};

/// The days in which the longest pause is looked for: two years, one of them with a 29th of February.
const FIRST: Date = date(2027, 1, 1);
const LAST: Date = date(2028, 12, 31);
const MONTHS: [&str; 12] =
    ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"];
const DAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

/// A schedule of five fields: minute, hour, day of the month, month, day of the week.
#[derive(Debug)]
pub(crate) struct Schedule {
    minutes: Vec<u8>,
    hours: Vec<u8>,
    days: Vec<u8>,
    months: Vec<u8>,
    weekdays: Vec<u8>,
    /// cron runs on either day if both are restricted, and on both if one of them is `*`.
    either_day: bool,
}

impl Schedule {
    /// Reads a schedule. The error says what to write instead.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let wrong =
            || format!("`{text}` is no schedule: write five fields as cron does, such as \"0 3 * * *\"");
        let fields: Vec<_> = text.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields[..] else { return Err(wrong()) };
        let read =
            |field: &str, least, most, names: &[&str]| values(field, least, most, names).ok_or_else(wrong);
        let mut on = read(weekdays, 0, 7, &DAYS)?;
        if on.contains(&7) {
            on.push(0);
        }
        let schedule = Self {
            minutes: read(minutes, 0, 59, &[])?,
            hours: read(hours, 0, 23, &[])?,
            days: read(days, 1, 31, &[])?,
            months: read(months, 1, 12, &MONTHS)?,
            weekdays: on,
            either_day: !days.starts_with('*') && !weekdays.starts_with('*'),
        };
        schedule
            .longest_pause()
            .map(|_| schedule)
            .ok_or_else(|| format!("`{text}` is a time that never comes"))
    }

    /// How old the newest backup may be: one and a half times the longest pause between two scheduled times. The half
    /// is for the time zone of the schedule, which is not known, and for the time that the backup takes.
    pub(crate) fn greatest_age(&self) -> SignedDuration {
        self.longest_pause().unwrap_or_default() * 3 / 2
    }

    fn longest_pause(&self) -> Option<SignedDuration> {
        let on_the_day = || {
            self.hours.iter().flat_map(|hour| {
                self.minutes.iter().map(move |minute| i64::from(*hour) * 60 + i64::from(*minute))
            })
        };
        let days = FIRST.series(1.day()).take_while(|day| *day <= LAST);
        let days = (0_i64..).zip(days).filter(|(_, day)| self.is_on(*day));
        let mut times: Vec<i64> =
            days.flat_map(|(number, _)| on_the_day().map(move |time| number * 24 * 60 + time)).collect();
        times.sort_unstable();
        let pauses = times.windows(2).map(|pair| pair[1] - pair[0]);
        pauses.max().map(SignedDuration::from_mins)
    }

    fn is_on(&self, day: Date) -> bool {
        let has = |values: &[u8], value: i8| values.iter().any(|one| i64::from(*one) == i64::from(value));
        let of_month = has(&self.days, day.day());
        let of_week = has(&self.weekdays, day.weekday().to_sunday_zero_offset());
        let is_day = if self.either_day { of_month || of_week } else { of_month && of_week };
        is_day && has(&self.months, day.month())
    }
}

/// The values of a field: `*`, `3`, `1-5`, `mon-fri`, `*/15`, `1,15`.
fn values(field: &str, least: u8, most: u8, words: &[&str]) -> Option<Vec<u8>> {
    let number = |text: &str| {
        let word = words.iter().position(|word| text.eq_ignore_ascii_case(word));
        let word = word.and_then(|at| Some(u8::try_from(at).ok()? + least));
        word.or_else(|| text.parse().ok()).filter(|number| (least..=most).contains(number))
    };
    let mut all = Vec::new();
    for part in field.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, step.parse().ok().filter(|step| *step > 0)?),
            None => (part, 1),
        };
        let (from, to) = match range.split_once('-') {
            Some((from, to)) => (number(from)?, number(to)?),
            None if range == "*" => (least, most),
            None if step > 1 => (number(range)?, most),
            None => (number(range)?, number(range)?),
        };
        all.extend((from..=to).step_by(step));
    }
    all.sort_unstable();
    all.dedup();
    (!all.is_empty()).then_some(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_age_follows_from_the_longest_pause() {
        for (text, hours) in [
            ("0 3 * * *", 36),
            ("30 */6 * * *", 9),
            ("0 3 * * mon-fri", 108),
            ("0 3 * * 7", 252),
            ("0 3 1 * *", 31 * 36),
            // The first of a month or a Sunday, as cron reads it.
            ("0 3 1 * sun", 252),
            ("0 3,15 * JAN-DEC *", 18),
        ] {
            let age = Schedule::parse(text).unwrap().greatest_age();
            assert_eq!(age, SignedDuration::from_hours(hours), "{text}");
        }
        assert_eq!(Schedule::parse("*/10 * * * *").unwrap().greatest_age(), SignedDuration::from_mins(15));
    }

    #[test]
    fn what_is_no_schedule_is_told() {
        for text in [
            "",
            "daily",
            "0 3 * *",
            "0 25 * * *",
            "0 3 * * funday",
            "*/0 * * * *",
            "5-1 * * * *",
            "0 3 30 2 *",
        ] {
            assert!(Schedule::parse(text).is_err(), "{text}");
        }
    }
}
