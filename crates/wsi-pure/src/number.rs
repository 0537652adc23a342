//! Numbers as OpenSlide writes and reads them in properties.

/// `value` as C's `%.17g` in the C locale prints it, which is how OpenSlide 4.0.1 formats every
/// double (`_openslide_format_double`): 17 significant digits, trailing zeros cut.
///
/// ```text
/// 0.499 -> 0.499      4.0004 -> 4.0004000000000008      1e-7 -> 9.9999999999999995e-08
/// ```
pub(crate) fn format_double(value: f64) -> String {
    if !value.is_finite() {
        let sign = if value.is_sign_negative() { "-" } else { "" };
        return format!("{sign}{}", if value.is_nan() { "nan" } else { "inf" });
    }
    let scientific = format!("{value:.16e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..17).contains(&exponent) {
        let decimals = usize::try_from(16 - exponent).unwrap_or(0);
        return trim_zeros(&format!("{value:.decimals$}")).to_owned();
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!(
        "{}e{sign}{:02}",
        trim_zeros(digits),
        exponent.unsigned_abs()
    )
}

fn trim_zeros(number: &str) -> &str {
    match number.contains('.') {
        true => number.trim_end_matches('0').trim_end_matches('.'),
        false => number,
    }
}

/// The number that a text holds, as OpenSlide reads it (`_openslide_parse_double`): a comma counts
/// as the point, C's `strtod` must take the whole text, and what overflows or underflows is none.
pub(crate) fn parse_double(text: &[u8]) -> Option<f64> {
    let text = std::str::from_utf8(text).ok()?.replace(',', ".");
    let text = text.trim_start_matches([' ', '\t', '\n', '\u{b}', '\u{c}', '\r']);
    let (sign, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (-1.0, rest),
        None => (1.0, text.strip_prefix('+').unwrap_or(text)),
    };
    if let Some(hex) = unsigned
        .strip_prefix("0x")
        .or_else(|| unsigned.strip_prefix("0X"))
    {
        return parse_hex(hex).map(|value| sign * value);
    }
    // Rust takes what strtod takes, and the signs have been taken already.
    if unsigned.starts_with(['+', '-']) {
        return None;
    }
    let value: f64 = unsigned.parse().ok()?;
    let words = unsigned.starts_with(|first: char| first.is_ascii_alphabetic());
    let mantissa = unsigned.split(['e', 'E']).next().unwrap_or_default();
    let nonzero = mantissa.contains(|digit: char| matches!(digit, '1'..='9'));
    let out_of_range = !words && (value.is_infinite() || (nonzero && !value.is_normal()));
    (!out_of_range).then_some(sign * value)
}

/// `HEX[.HEX][p[+-]DECIMAL]` behind `0x`.
fn parse_hex(text: &str) -> Option<f64> {
    let (mantissa, exponent) = match text.split_once(['p', 'P']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut value = 0.0_f64;
    for digit in whole.chars().chain(fraction.chars()) {
        value = value * 16.0 + f64::from(digit.to_digit(16)?);
    }
    let shift = exponent.checked_sub(i32::try_from(fraction.len()).ok()?.checked_mul(4)?)?;
    let value = value * 2.0_f64.powi(shift);
    value.is_finite().then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_print_as_c_prints_them() {
        // The right-hand sides are what OpenSlide 4.0.1 and C's printf give.
        for (value, text) in [
            (0.499, "0.499"),
            (352.777_777_777_777_77, "352.77777777777777"),
            (1e-7, "9.9999999999999995e-08"),
            (254_000_000_000.0, "254000000000"),
            (2.0 / 3.0, "0.66666666666666663"),
            (0.1, "0.10000000000000001"),
            (1e17, "1e+17"),
            (1e16, "10000000000000000"),
            (0.0001, "0.0001"),
            (0.000_01, "1.0000000000000001e-05"),
            (0.0, "0"),
            (-2.5, "-2.5"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(format_double(value), text);
        }
    }

    #[test]
    fn texts_read_as_strtod_reads_them() {
        for (text, value) in [
            ("20", Some(20.0)),
            ("0,25", Some(0.25)),
            (" \t1.5", Some(1.5)),
            ("0x10", Some(16.0)),
            ("-0x1.8p1", Some(-3.0)),
            ("inf", Some(f64::INFINITY)),
            ("20x", None),
            ("1.5 ", None),
            ("", None),
            ("+-1", None),
            ("1e999", None),
            ("1e-999", None),
            ("0e-999", Some(0.0)),
            ("0x", None),
        ] {
            assert_eq!(parse_double(text.as_bytes()), value, "{text:?}");
        }
    }
}
