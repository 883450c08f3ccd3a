use sha2::{Digest as _, Sha256};

const PREFIX: &str = "sha256:";

/// The digest of these bytes, as references to them have it.
pub(super) fn digest_of(bytes: &[u8]) -> String {
    format!("{PREFIX}{:x}", Sha256::digest(bytes))
}

/// Whether it is a digest that something can have here.
pub(super) fn is_valid(digest: &str) -> bool {
    let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    digest.strip_prefix(PREFIX).is_some_and(|hash| hash.len() == 64 && hash.bytes().all(is_hex))
}

/// Whether it is meant as a digest: an algorithm and hexadecimal digits.
pub(super) fn is_digest_like(text: &str) -> bool {
    text.split_once(':').is_some_and(|(algorithm, hash)| {
        let in_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_+.".contains(&byte);
        !algorithm.is_empty()
            && algorithm.bytes().all(in_name)
            && !hash.is_empty()
            && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}
