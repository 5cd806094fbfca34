//! Points in time as text: RFC 3339, milliseconds since 1970, or an offset from now.

use std::time::SystemTime;

use deuteron::codec::Timestamp;

use crate::args::units::duration;

const DAY: i64 = 86_400_000;
/// 0000-01-01 and 10000-01-01: what four digits of a year can say.
const FIRST: i64 = -62_167_219_200_000;
const BEYOND: i64 = 253_402_300_800_000;

/// As `2026-11-23T09:16:56.123Z`; `None` if the year has not four digits.
pub(crate) fn format(timestamp: Timestamp) -> Option<String> {
    let millis = timestamp.0;
    if !(FIRST..BEYOND).contains(&millis) {
        return None;
    }
    let (year, month, day) = civil(millis.div_euclid(DAY));
    let in_day = millis.rem_euclid(DAY);
    let (hour, minute) = (in_day / 3_600_000, in_day / 60_000 % 60);
    let (second, milli) = (in_day / 1000 % 60, in_day % 1000);
    Some(format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z"))
}

/// Reads what [`format`](fn@format) writes, other RFC 3339, milliseconds since 1970, `now`, or `+5m` from now.
pub(crate) fn parse(text: &str) -> Result<Timestamp, String> {
    if let Ok(millis) = text.strip_prefix('+').map_or(text, |_| "").parse() {
        return Ok(Timestamp(millis));
    }
    let now = || Timestamp::from(SystemTime::now()).0;
    let shifted = |sign: i64, rest: &str| {
        let millis = i64::try_from(duration(rest)?.as_millis()).unwrap_or(i64::MAX);
        Ok(Timestamp(now().saturating_add(sign.saturating_mul(millis))))
    };
    match text.as_bytes() {
        b"now" => Ok(Timestamp(now())),
        [b'+', ..] => shifted(1, &text[1..]),
        [b'-', ..] => shifted(-1, &text[1..]),
        _ => rfc3339(text).map(Timestamp).ok_or_else(|| {
            format!(
                "'{text}' is no point in time; 2030-01-31T12:00:00Z, +5m, now or milliseconds since 1970 are"
            )
        }),
    }
}

fn rfc3339(text: &str) -> Option<i64> {
    let (date, time) = text.split_once(['T', 't', ' '])?;
    let [year, month, day] = numbers(date, '-')?;
    let (clock, offset) = split_offset(time)?;
    let (whole, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let [hour, minute, second] = numbers(whole, ':')?;
    if clock.ends_with('.') || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let millis: i64 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    let valid = date.len() == 10 && whole.len() == 8 && (1..=12).contains(&month) && day >= 1;
    if !valid || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let days = days_from_civil(year, month, day);
    if civil(days) != (year, month, day) {
        return None;
    }
    Some(days * DAY + hour * 3_600_000 + minute * 60_000 + second * 1000 + millis - offset)
}

/// The clock, and its offset from UTC in milliseconds.
fn split_offset(time: &str) -> Option<(&str, i64)> {
    if let Some(clock) = time.strip_suffix(['Z', 'z']) {
        return Some((clock, 0));
    }
    let at = time.rfind(['+', '-'])?;
    let (clock, offset) = time.split_at(at);
    let (hours, minutes) = offset[1..].split_once(':')?;
    let digits = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(hours) || !digits(minutes) {
        return None;
    }
    let size = hours.parse::<i64>().ok()? * 3_600_000 + minutes.parse::<i64>().ok()? * 60_000;
    Some((clock, if offset.starts_with('-') { -size } else { size }))
}

/// Three numbers without signs.
fn numbers(text: &str, separator: char) -> Option<[i64; 3]> {
    if !text.bytes().all(|byte| byte.is_ascii_digit() || byte == separator as u8) {
        return None;
    }
    let mut parts = text.split(separator).map(|part| part.parse().ok());
    let numbers = [parts.next()??, parts.next()??, parts.next()??];
    parts.next().is_none().then_some(numbers)
}

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar.
fn civil(days: i64) -> (i64, i64, i64) {
    // Eras of 400 years that begin on the first of March, so that the odd day comes last.
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = year - i64::from(month <= 2);
    let (era, year_of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let from_march = (month + 9) % 12;
    let day_of_year = (153 * from_march + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_days() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
            (FIRST, "0000-01-01T00:00:00.000Z"),
            (BEYOND - 1, "9999-12-31T23:59:59.999Z"),
            (1_763_889_416_123, "2025-11-23T09:16:56.123Z"),
        ] {
            assert_eq!(format(Timestamp(millis)).as_deref(), Some(text));
            assert_eq!(parse(text), Ok(Timestamp(millis)));
        }
        assert_eq!((format(Timestamp(FIRST - 1)), format(Timestamp(BEYOND))), (None, None));
    }

    #[test]
    fn each_day_of_an_era_comes_back() {
        for days in -200_000..200_000 {
            let (year, month, day) = civil(days);
            assert_eq!(days_from_civil(year, month, day), days);
        }
    }

    #[test]
    fn other_forms_are_read() {
        let at = Ok(Timestamp(1_000_000_000_500));
        for text in ["1000000000500", "2001-09-09T01:46:40.5Z", "2001-09-09 03:46:40.500999+02:00"] {
            assert_eq!(parse(text), at, "{text}");
        }
        assert_eq!(parse("-5000"), Ok(Timestamp(-5000)));
        let (now, later) = (parse("now").unwrap().0, parse("+1h").unwrap().0);
        assert!((3_600_000..3_700_000).contains(&(later - now)), "{now} {later}");
        assert!(parse("-1h").unwrap().0 < now);
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "+",
            "tomorrow",
            "2001-02-29T00:00:00Z",
            "2001-13-01T00:00:00Z",
            "2001-01-01T24:00:00Z",
            "2001-01-01T00:00:00",
            "2001-01-01",
            "2001-01-01T00:00:00.Z",
            "01-01-01T00:00:00Z",
            "+1y",
            "99999999999999999999",
            "2001-01-01T00:00:00+2",
            "2001-01-01T00:00:00.5é5Z",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
