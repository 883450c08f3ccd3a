//! Whatever arrives in a control queue, a replies queue or as a marker: it is read as what it says, or refused with the
//! place where it is wrong.
#![no_main]

use std::fmt::Debug;

use libfuzzer_sys::fuzz_target;
use ms2m_app::{
    Ledger,
    contract::{Command, CommandBody, Marker, Reply, ReplyBody, SEQ_MAX},
};
use serde::{Serialize, de::DeserializeOwned};

fuzz_target!(|data: &[u8]| {
    if let Some(Command { body: CommandBody::EndReplay { ledger: Some(ledger), .. }, .. }) = read(data) {
        reckon(&ledger);
    }
    read::<Marker>(data);
    if let Some(ledger) = read::<Ledger>(data) {
        reckon(&ledger);
    }
    match read::<Reply>(data).map(|reply| reply.body) {
        Some(
            ReplyBody::Synced { ledger, .. }
            | ReplyBody::Hello { ledger, .. }
            | ReplyBody::Stopped { ledger, .. }
            | ReplyBody::Drained { ledger, .. }
            | ReplyBody::Switched { ledger, .. },
        ) => reckon(&ledger),
        _ => {}
    }
});

/// What is read is written as itself.
fn read<T: DeserializeOwned + Serialize + PartialEq + Debug>(data: &[u8]) -> Option<T> {
    match serde_json::from_slice::<T>(data) {
        Ok(message) => {
            let written = serde_json::to_vec(&message).expect("a message is JSON");
            let again: T = serde_json::from_slice(&written).expect("what was written can be read");
            assert_eq!(again, message);
            Some(message)
        }
        Err(error) => {
            // Of a message whose type is known, serde says which field is wrong, and no line.
            assert!(error.to_string().len() > 10, "{error:?}");
            None
        }
    }
}

/// What is accepted as a ledger can be reckoned with.
fn reckon(ledger: &Ledger) {
    assert!(ledger.contains_all(ledger));
    let all = Ledger::default().missing_from(ledger, usize::MAX);
    assert!(all.iter().all(|run| run.first <= run.last && run.last <= SEQ_MAX));
    assert_eq!(all.is_empty(), ledger.is_empty());
    assert!(all.len() as u64 <= ledger.len());
}
