//! The formats of texts that a schema of a custom resource can ask for.
//!
//! See `supportedFormats` of the apiextensions API server: a format that is not among them, such as `int32`, asks for
//! nothing.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use jiff::civil::Date;

use super::limits::matches;

/// Whether a text has a format; every text has one that is not known.
pub(super) fn has_format(format: &str, text: &str) -> bool {
    let name = format.replace('-', "");
    if let Some((_, pattern)) = PATTERNS.iter().find(|(known, _)| *known == name) {
        return matches(pattern, text);
    }
    match name.as_str() {
        "date" => is_date(text),
        "datetime" => is_date_time(text),
        "duration" => is_duration(text),
        "hostname" => is_host_name(text),
        "ipv4" => text.parse::<Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
        "cidr" => is_block(text),
        "isbn" => is_isbn_10(text) || is_isbn_13(text),
        "isbn10" => is_isbn_10(text),
        "isbn13" => is_isbn_13(text),
        _ => true,
    }
}

/// By their names, without hyphens.
const PATTERNS: &[(&str, &str)] = &[
    ("bsonobjectid", "^[0-9a-fA-F]{24}$"),
    ("byte", "^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})$"),
    ("email", r"^(?:[^<>]*<)?[^\s@<>]+@[^\s@<>]+>?$"),
    ("hexcolor", "^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$"),
    (
        "mac",
        "^(?:[0-9a-fA-F]{2}(?::[0-9a-fA-F]{2}){5}|[0-9a-fA-F]{2}(?:-[0-9a-fA-F]{2}){5}|[0-9a-fA-F]{4}(?:\\.[0-9a-fA-F]{4}){2})$",
    ),
    (
        "rgbcolor",
        r"^rgb\(\s*(?:\d{1,2}|1\d\d|2[0-4]\d|25[0-5])(?:\s*,\s*(?:\d{1,2}|1\d\d|2[0-4]\d|25[0-5])){2}\s*\)$",
    ),
    ("ssn", r"^\d{3}[- ]?\d{2}[- ]?\d{4}$"),
    ("uri", r"^(?:[a-zA-Z][a-zA-Z0-9+.-]*:[^\s]+|/[^\s]*)$"),
    ("uuid", "(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$"),
    ("uuid3", "(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?3[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}$"),
    ("uuid4", "(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?4[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$"),
    ("uuid5", "(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?5[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$"),
];

/// A span as the standard library of Go spells it.
const GO_DURATION: &str = "^[+-]?(?:0|(?:(?:[0-9]+(?:\\.[0-9]*)?|\\.[0-9]+)(?:ns|us|µs|μs|ms|s|m|h))+)$";
/// A span as that of Scala does, somewhere in a text; seconds to weeks may be spelled out.
const SCALA_DURATION: &str =
    "(?i)[0-9]+\\s*(?:(?:ns|us|µs|ms|s|m|h|d|w|hr|wk)(?:$|[^a-zµ])|nano|micro|milli|sec|min|hour|day|week)";

fn is_date(text: &str) -> bool {
    matches("^[0-9]{4}-[0-9]{2}-[0-9]{2}$", text) && text.parse::<Date>().is_ok()
}

/// The T and the Z may be small.
fn is_date_time(text: &str) -> bool {
    let Some((date, time)) = text.split_once(['T', 't']) else { return false };
    let time_of_day = "^([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]+)?([zZ]|[+-][0-9]{2}:[0-9]{2})$";
    is_date(date) && matches(time_of_day, time)
}

fn is_duration(text: &str) -> bool {
    matches(GO_DURATION, text) || matches(SCALA_DURATION, text)
}

fn is_host_name(text: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|letter| letter == '-' || letter.is_alphanumeric())
    };
    text.len() <= 255 && text.split('.').all(is_label)
}

fn is_block(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else { return false };
    let most = match address.parse::<IpAddr>() {
        Ok(IpAddr::V4(_)) => 32,
        Ok(IpAddr::V6(_)) => 128,
        Err(_) => return false,
    };
    bits.bytes().all(|byte| byte.is_ascii_digit()) && bits.parse::<u8>().is_ok_and(|bits| bits <= most)
}

fn digits_of(text: &str) -> String {
    text.chars().filter(|letter| !matches!(letter, ' ' | '-')).collect()
}

fn is_isbn_10(text: &str) -> bool {
    let digits = digits_of(text);
    let value = |letter: char| if letter == 'X' { 10 } else { letter.to_digit(10).unwrap_or_default() };
    let sum: u32 = digits.chars().zip(1..).map(|(letter, place)| value(letter) * place).sum();
    matches("^[0-9]{9}[0-9X]$", &digits) && sum.is_multiple_of(11)
}

fn is_isbn_13(text: &str) -> bool {
    let digits = digits_of(text);
    let weights = [1, 3].into_iter().cycle();
    let sum: u32 = digits
        .chars()
        .zip(weights)
        .map(|(letter, weight)| letter.to_digit(10).unwrap_or_default() * weight)
        .sum();
    matches("^[0-9]{13}$", &digits) && sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::has_format;

    #[test]
    fn a_text_has_its_format_or_has_not() {
        for (format, right, wrong) in [
            (
                "date-time",
                &["2026-01-01T00:00:00Z", "2026-01-01t00:00:00.5+01:00"][..],
                &["2026-01-01", "2026-02-30T00:00:00Z", "2026-01-01T24:00:00Z", "now"][..],
            ),
            ("date", &["2026-02-28"], &["2026-02-30", "26-01-01", ""]),
            ("duration", &["1h30m", "22 ns", "1.5s", "3 days", "0"], &["soon", "", "5 parsecs"]),
            ("ipv4", &["10.0.0.1"], &["10.0.0", "::1"]),
            ("ipv6", &["::1"], &["10.0.0.1", "x"]),
            ("cidr", &["10.0.0.0/8", "::/0"], &["10.0.0.0/33", "10.0.0.0"]),
            ("mac", &["00:00:5e:00:53:01"], &["00:00:5e"]),
            ("hostname", &["node-a", "a.example.org"], &["-a", "a_b", ""]),
            ("email", &["a@example.org"], &["a"]),
            ("uri", &["https://example.org/a", "/a"], &["a b", ""]),
            ("uuid", &["00000000-0000-4000-8000-000000000000"], &["0000"]),
            ("uuid4", &["00000000-0000-4000-8000-000000000000"], &["00000000-0000-1000-8000-000000000000"]),
            ("byte", &["dg=="], &["%%"]),
            ("isbn10", &["0321751043"], &["0321751044"]),
            ("isbn", &["978-0321751041", "0321751043"], &["978-0321751042"]),
            ("hexcolor", &["#fff"], &["#ffff"]),
            ("rgbcolor", &["rgb(1, 2,255)"], &["rgb(1,2,256)"]),
            ("int32", &["anything"], &[]),
            ("password", &["anything"], &[]),
        ] {
            for text in right {
                assert!(has_format(format, text), "{format} {text}");
            }
            for text in wrong {
                assert!(!has_format(format, text), "{format} {text}");
            }
        }
    }
}
