//! Amounts of a resource, as Kubernetes writes them: `100m`, `1.5`, `16Gi`, `3e3`.
//!
//! See <https://kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity/>.

/// Nothing smaller is told apart.
const NANOS: i128 = 1_000_000_000;

/// An amount, to the billionth, as the real server keeps it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Quantity(i128);

impl Quantity {
    /// Reads an amount; none when it is none, or too large to be counted.
    pub(super) fn parse(text: &str) -> Option<Self> {
        let end = text.find(|letter: char| !(letter.is_ascii_digit() || "+-.".contains(letter)));
        let (number, suffix) = text.split_at(end.unwrap_or(text.len()));
        let (factor, divisor) = scale_of(suffix)?;
        let (is_negative, digits) = match number.strip_prefix('-') {
            Some(digits) => (true, digits),
            None => (false, number.strip_prefix('+').unwrap_or(number)),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let are_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if (whole.is_empty() && fraction.is_empty()) || !are_digits(whole) || !are_digits(fraction) {
            return None;
        }
        let mantissa: i128 = format!("{whole}{fraction}").parse().ok()?;
        let below = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?.checked_mul(divisor)?;
        let scaled = mantissa.checked_mul(factor)?.checked_mul(NANOS)?;
        // What lies between two amounts that can be told apart is the greater of them.
        let amount = scaled.checked_add(below - 1)? / below;
        Some(Self(if is_negative { -amount } else { amount }))
    }

    /// In whole units, rounded up.
    pub(super) fn units(self) -> i128 {
        rounded_up(self.0, NANOS)
    }

    /// In thousandths, rounded up.
    pub(super) fn thousandths(self) -> i128 {
        rounded_up(self.0, NANOS / 1_000)
    }
}

fn rounded_up(amount: i128, unit: i128) -> i128 {
    amount.div_euclid(unit) + i128::from(amount.rem_euclid(unit) > 0)
}

/// What a suffix multiplies by, and divides by.
fn scale_of(suffix: &str) -> Option<(i128, i128)> {
    let (factor, divisor) = match suffix {
        "n" => (1, NANOS),
        "u" => (1, 1_000_000),
        "m" => (1, 1_000),
        "" => (1, 1),
        "k" => (1_000, 1),
        "M" => (1_000_000, 1),
        "G" => (1_000_000_000, 1),
        "T" => (1_000_000_000_000, 1),
        "P" => (1_000_000_000_000_000, 1),
        "E" => (1_000_000_000_000_000_000, 1),
        "Ki" => (1 << 10, 1),
        "Mi" => (1 << 20, 1),
        "Gi" => (1 << 30, 1),
        "Ti" => (1 << 40, 1),
        "Pi" => (1 << 50, 1),
        "Ei" => (1 << 60, 1),
        exponent => {
            let power: i32 = exponent.strip_prefix(['e', 'E'])?.parse().ok()?;
            let magnitude = 10_i128.checked_pow(power.unsigned_abs())?;
            if power < 0 { (1, magnitude) } else { (magnitude, 1) }
        }
    };
    Some((factor, divisor))
}

#[cfg(test)]
mod tests {
    use super::Quantity;

    #[test]
    fn amounts_are_read_with_their_suffixes() {
        let thousandths = |text: &str| Quantity::parse(text).map(Quantity::thousandths);
        for (text, expected) in [
            ("100m", 100),
            ("1", 1_000),
            ("1.5", 1_500),
            (".5", 500),
            ("2.", 2_000),
            ("+3", 3_000),
            ("-1", -1_000),
            ("250u", 1),
            ("1n", 1),
            ("2k", 2_000_000),
            ("1e3", 1_000_000),
            ("5E-1", 500),
            ("0", 0),
        ] {
            assert_eq!(thousandths(text), Some(expected), "{text}");
        }
        for text in ["", "m", "1.2.3", "1 Gi", "1gi", "1Kib", "--1", "e3", "1e", "abc", "1e99"] {
            assert_eq!(Quantity::parse(text), None, "{text}");
        }
    }

    #[test]
    fn memory_is_counted_in_whole_bytes_and_never_too_little() {
        let units = |text: &str| Quantity::parse(text).unwrap().units();
        assert_eq!(units("16Gi"), 16 << 30);
        assert_eq!(units("1.5Ki"), 1536);
        assert_eq!(units("8Ei"), 8 << 60);
        assert_eq!(units("100m"), 1);
        assert!(Quantity::parse("1000Mi") < Quantity::parse("1Gi"));
        assert_eq!(Quantity::parse("1024Mi"), Quantity::parse("1Gi"));
    }
}
