use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// Letters and digits that make no words, as the controller manager's `rand.SafeEncodeString`.
const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";

/// Ten letters that stand for a pod template; another template has others.
pub(super) fn template_hash(template: &Value) -> String {
    // Keys are in order: the same template is the same text.
    let digest = Sha256::digest(template.to_string());
    digest.iter().take(10).map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()])).collect()
}
