use lapin::types::ShortString;

use crate::contract::NAME_BYTES_MAX;

/// A name is longer than AMQP can write it, so nothing that a broker has is called so.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a name of {bytes} bytes, of at most {NAME_BYTES_MAX}: {name:.40}...")]
pub struct OverlongName {
    bytes: usize,
    name: String,
}

/// A name as AMQP writes it: a short string, whose length is one byte (AMQP 0.9.1, 4.2.5.3). `lapin`'s own conversion panics
/// where it is longer.
pub fn amqp_name(name: &str) -> Result<ShortString, OverlongName> {
    ShortString::try_new(name).map_err(|_| OverlongName { bytes: name.len(), name: name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_counted_and_not_letters() {
        assert_eq!(amqp_name(&"k".repeat(255)).unwrap().as_str().len(), 255);
        let refused = amqp_name(&"\u{e9}".repeat(128)).unwrap_err();
        assert!(refused.to_string().starts_with("a name of 256 bytes, of at most 255: \u{e9}"), "{refused}");
    }
}
