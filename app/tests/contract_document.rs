//! Every example in docs/app-contract.md is what this crate reads and writes, and every message has one.

use std::{collections::BTreeSet, fmt::Debug};

use ms2m_app::{
    Ledger,
    contract::{Command, Marker, Reply},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

const DOCUMENT: &str = include_str!("../../docs/app-contract.md");

/// The examples of a kind, as the document writes them.
fn examples(kind: &str) -> Vec<Value> {
    let fence = format!("```json {kind}\n");
    let blocks = DOCUMENT.split(&fence).skip(1);
    let texts = blocks.map(|block| block.split("```").next().expect("a block has an end"));
    texts.map(|text| serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"))).collect()
}

/// Reads each example, writes it again, and returns the types that they have.
fn round_trip<T: DeserializeOwned + Serialize + Debug>(kind: &str) -> BTreeSet<String> {
    let examples = examples(kind);
    assert!(!examples.is_empty());
    for example in &examples {
        let message: T = serde_json::from_value(example.clone()).unwrap_or_else(|e| panic!("{example}: {e}"));
        assert_eq!(serde_json::to_value(&message).expect("a message is JSON"), *example, "{message:?}");
    }
    examples.iter().filter_map(|example| example["type"].as_str().map(str::to_owned)).collect()
}

/// The types that serde would have accepted, which it says when it is given another.
fn all_types(error: &serde_json::Error) -> BTreeSet<String> {
    let text = error.to_string();
    let (_, list) =
        text.split_once("expected one of ").or_else(|| text.split_once("expected ")).expect("a list");
    list.split('`')
        .filter(|word| !word.is_empty() && word.chars().all(|c| c.is_ascii_uppercase() || c == '_'))
        .map(str::to_owned)
        .collect()
}

fn unknown<T: DeserializeOwned + Debug>() -> serde_json::Error {
    let text = r#"{"version": 1, "migration": "m", "epoch": 1, "podUid": "p", "type": "no such"}"#;
    serde_json::from_str::<T>(text).expect_err("no such message")
}

#[test]
fn every_command_has_an_example_that_is_true() {
    assert_eq!(round_trip::<Command>("command"), all_types(&unknown::<Command>()));
}

#[test]
fn every_marker_has_an_example_that_is_true() {
    let found = round_trip::<Marker>("marker");
    assert_eq!(found, BTreeSet::from(["SYNC".to_owned(), "END".to_owned()]));
}

#[test]
fn every_reply_has_an_example_that_is_true() {
    assert_eq!(round_trip::<Reply>("reply"), all_types(&unknown::<Reply>()));
}

#[test]
fn the_ledger_is_written_as_it_says() {
    round_trip::<Ledger>("ledger");
}

#[test]
fn the_names_are_those_of_the_code() {
    use ms2m_app::{DEFAULT_POD_UID_FILE, ENV_POD_UID_FILE, contract::*, engine::ENV_RESTORE};
    let names = [
        HEADER_PRODUCER.to_owned(),
        HEADER_SEQ.to_owned(),
        HEADER_CONTROL.to_owned(),
        control_queue("{pod uid}"),
        replies_queue("{migration}"),
        dead_letter_queue("{Q}"),
        replay_queue("orders", "5f0c"),
        DEFAULT_POD_UID_FILE.to_owned(),
        ENV_POD_UID_FILE.to_owned(),
        ENV_RESTORE.to_owned(),
    ];
    for name in names {
        assert!(DOCUMENT.contains(&name), "{name} is not in the document");
    }
}
