/// Draws uids and name suffixes: chance to the clients, a function of the seed to the simulator.
#[derive(Clone, Debug)]
pub(super) struct IdentitySource {
    seed: u64,
    drawn: u64,
}

/// What the real server's generated names are made of: no vowels, nothing that reads like another letter.
const NAME_ALPHABET: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

impl IdentitySource {
    pub(super) fn new(seed: u64) -> Self {
        Self { seed, drawn: 0 }
    }

    /// A version 4 UUID.
    pub(super) fn uid(&mut self) -> String {
        let (high, low) = (self.next(), self.next());
        let version = 0x4000 | (high & 0x0fff);
        let variant = 0x8000 | ((low >> 48) & 0x3fff);
        format!(
            "{:08x}-{:04x}-{version:04x}-{variant:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            low & 0xffff_ffff_ffff
        )
    }

    /// Five characters, as `generateName` appends them.
    pub(super) fn suffix(&mut self) -> String {
        let mut bits = self.next();
        let mut suffix = String::with_capacity(5);
        for _ in 0..5 {
            let at = usize::try_from(bits % NAME_ALPHABET.len() as u64).unwrap_or_default();
            suffix.push(char::from(NAME_ALPHABET[at]));
            bits /= NAME_ALPHABET.len() as u64;
        }
        suffix
    }

    /// The last two parts of a Service's address.
    pub(super) fn octets(&mut self) -> (u8, u8) {
        let [first, second, ..] = self.next().to_be_bytes();
        (first, second)
    }

    /// `SplitMix64` over a counter: each value differs, whatever the seed.
    fn next(&mut self) -> u64 {
        self.drawn += 1;
        let mut mixed = self.seed.wrapping_add(self.drawn.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::IdentitySource;

    #[test]
    fn uids_are_valid_distinct_and_a_function_of_the_seed() {
        let draw = |seed| {
            let mut source = IdentitySource::new(seed);
            (0..1000).map(|_| source.uid()).collect::<Vec<_>>()
        };
        assert_eq!(draw(7), draw(7));
        assert_ne!(draw(7), draw(8));
        assert_eq!(draw(7).into_iter().collect::<BTreeSet<_>>().len(), 1000);
        for uid in draw(0) {
            let parts: Vec<&str> = uid.split('-').collect();
            assert_eq!(parts.iter().map(|part| part.len()).collect::<Vec<_>>(), [8, 4, 4, 4, 12], "{uid}");
            assert!(parts[2].starts_with('4') && "89ab".contains(&parts[3][..1]), "{uid}");
        }
    }

    #[test]
    fn suffixes_have_the_length_and_alphabet_of_generated_names() {
        let mut source = IdentitySource::new(3);
        for _ in 0..200 {
            let suffix = source.suffix();
            assert_eq!(suffix.len(), 5);
            assert!(suffix.bytes().all(|byte| super::NAME_ALPHABET.contains(&byte)), "{suffix}");
        }
    }
}
