//! A `StatefulMigration` as the API server may hand it over: it is read as what it says, and a spec that makes no sense is refused
//! with a reason.
#![no_main]

use libfuzzer_sys::fuzz_target;
use ms2m::api::{StatefulMigration, validate};
use serde_json::Value;

fuzz_target!(|data: &[u8]| {
    let object: StatefulMigration = match serde_json::from_slice(data) {
        Ok(object) => object,
        Err(error) => {
            assert!(error.line() > 0 && !error.to_string().is_empty(), "{error:?}");
            return;
        }
    };
    if let Err(invalid) = validate(&object.spec) {
        assert!(!invalid.reason.is_empty() && !invalid.message.is_empty());
    }
    let value = serde_json::to_value(&object).expect("an object is JSON");
    let written = value.to_string();
    let again: StatefulMigration = serde_json::from_str(&written).expect("what was written can be read");
    assert!(has_fraction(&value) || again == object, "{object:?} became {again:?}");
});

/// JSON keeps whole numbers as they are, and fractions nearly.
fn has_fraction(value: &Value) -> bool {
    match value {
        Value::Number(number) => number.as_f64().is_some_and(|number| number.fract() != 0.0 || number.abs() > 1e15),
        Value::Array(values) => values.iter().any(has_fraction),
        Value::Object(fields) => fields.values().any(has_fraction),
        _ => false,
    }
}
