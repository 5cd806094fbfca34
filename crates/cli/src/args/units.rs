//! Quantities with units.

use std::time::Duration;

/// A number of bytes: `500`, `64k`, `100M`, `2G`.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(['k', 'K', 'M', 'G']);
    let factor: u64 = match &text[digits.len()..] {
        "" => 1,
        "k" | "K" => 1 << 10,
        "M" => 1 << 20,
        "G" => 1 << 30,
        other => return Err(format!("'{other}' is no unit; k, M and G are")),
    };
    let number: u64 = digits.parse().map_err(|_| format!("'{digits}' is no number of bytes"))?;
    number.checked_mul(factor).ok_or_else(|| "that is more than can be counted".to_owned())
}

/// A time: `5` and `5s` are seconds; `ms`, `m`, `h` and `d` are known too, and fractions.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let factor = match &text[digits.len()..] {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        "d" => 86400.0,
        other => return Err(format!("'{other}' is no unit of time; ms, s, m, h and d are")),
    };
    let number: f64 =
        digits.parse().map_err(|_| format!("'{text}' is no time; 1.5, 500ms or 2m would be"))?;
    Duration::try_from_secs_f64(number * factor)
        .map_err(|_| format!("'{text}' is no time that can be waited"))
}

/// As [`duration`], and not 0.
pub(crate) fn some_time(text: &str) -> Result<Duration, String> {
    duration(text)
        .and_then(|time| if time.is_zero() { Err("it has to be more than 0".into()) } else { Ok(time) })
}

/// Something a second: a number above 0, fractions too.
pub(crate) fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if rate > 0.0 && rate.is_finite() => Ok(rate),
        _ => Err(format!("'{text}' is no rate; 100 or 0.5 would be")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_units() {
        assert_eq!(bytes("500"), Ok(500));
        assert_eq!(bytes("64k"), Ok(65_536));
        assert_eq!(bytes("2G"), Ok(2 << 30));
        assert!(bytes("2T").is_err() && bytes("").is_err() && bytes("1kk").is_err());
        assert!(bytes("99999999999999999G").is_err());
    }

    #[test]
    fn times_have_units() {
        assert_eq!(duration("5"), Ok(Duration::from_secs(5)));
        assert_eq!(duration("1.5s"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        assert_eq!(duration("0"), Ok(Duration::ZERO));
        for wrong in ["", "s", "5x", "-1", "1e400", "nan", "1 s"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
        assert!(some_time("0ms").is_err() && some_time("1ms").is_ok());
    }

    #[test]
    fn rates_are_positive() {
        assert_eq!(rate("0.5"), Ok(0.5));
        assert!(rate("0").is_err() && rate("-1").is_err() && rate("inf").is_err() && rate("fast").is_err());
    }
}
