//! The single limits that a schema sets: how large, how long, how many, of what form.

use std::{cell::RefCell, collections::BTreeMap};

use regex::Regex;
use serde_json::{Map, Value};

use super::{formats, object::items};

/// What a value breaks of one keyword of its schema, in the real server's words; none where it keeps to it, or where the
/// keyword is no limit to such a value.
pub(super) fn broken(
    keywords: &Map<String, Value>,
    (keyword, limit): (&str, &Value),
    value: &Value,
    path: &str,
) -> Option<String> {
    if keyword == "enum" {
        return unsupported(limit, value);
    }
    match value {
        Value::Number(_) => number(keywords, keyword, limit.as_f64()?, value.as_f64()?)
            .map(|wanted| format!("Invalid value: {value}: {path} in body should be {wanted}")),
        Value::String(text) => string(keyword, limit, text, path),
        Value::Array(list) => {
            let (length, limit) = (list.len(), limit.as_u64()?);
            match keyword {
                "minItems" if (length as u64) < limit => Some(format!(
                    "Invalid value: {length}: {path} in body should have at least {limit} items"
                )),
                "maxItems" if length as u64 > limit => {
                    Some(format!("Too many: {length}: must have at most {limit} items"))
                }
                _ => None,
            }
        }
        Value::Object(fields) => {
            let (count, limit) = (fields.len() as u64, limit.as_u64()?);
            let wanted = match keyword {
                "minProperties" if count < limit => "at least",
                "maxProperties" if count > limit => "at most",
                _ => return None,
            };
            Some(format!("Invalid value: {limit}: {path} in body should have {wanted} {limit} properties"))
        }
        Value::Null | Value::Bool(_) => None,
    }
}

fn unsupported(allowed: &Value, value: &Value) -> Option<String> {
    let allowed = items(allowed);
    let said = || allowed.iter().map(Value::to_string).collect::<Vec<_>>().join(", ");
    (!allowed.contains(value)).then(|| format!("Unsupported value: {value}: supported values: {}", said()))
}

/// What a number should be that it is not.
fn number(keywords: &Map<String, Value>, keyword: &str, limit: f64, value: f64) -> Option<String> {
    let excludes = |keyword: &str| keywords.get(keyword).is_some_and(|excludes| *excludes == true);
    match keyword {
        "minimum" if excludes("exclusiveMinimum") => {
            (value <= limit).then(|| format!("greater than {limit}"))
        }
        "minimum" => (value < limit).then(|| format!("greater than or equal to {limit}")),
        "maximum" if excludes("exclusiveMaximum") => (value >= limit).then(|| format!("less than {limit}")),
        "maximum" => (value > limit).then(|| format!("less than or equal to {limit}")),
        "multipleOf" => (!is_whole(value / limit)).then(|| format!("a multiple of {limit}")),
        _ => None,
    }
}

/// Whether a quotient is a whole number, but for what is lost in the division.
fn is_whole(quotient: f64) -> bool {
    (quotient - quotient.round()).abs() <= 1e-9 * quotient.abs().max(1.0)
}

fn string(keyword: &str, limit: &Value, text: &str, path: &str) -> Option<String> {
    let invalid = |wanted: String| Some(format!("Invalid value: {text:?}: {path} in body {wanted}"));
    let length = || text.chars().count() as u64;
    match keyword {
        "minLength" if length() < limit.as_u64()? => {
            invalid(format!("should be at least {limit} chars long"))
        }
        "maxLength" if length() > limit.as_u64()? => {
            Some(format!("Too long: may not be more than {limit} bytes"))
        }
        "pattern" if !matches(limit.as_str()?, text) => {
            invalid(format!("should match '{}'", limit.as_str()?))
        }
        "format" if !formats::has_format(limit.as_str()?, text) => {
            invalid(format!("must be of type {}: {text:?}", limit.as_str()?))
        }
        _ => None,
    }
}

/// Whether a text has the pattern somewhere in it. One that cannot be read is matched by nothing.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    thread_local! {
        // Reading a pattern takes longer than all the rest of a check.
        static KNOWN: RefCell<BTreeMap<String, Option<Regex>>> = const { RefCell::new(BTreeMap::new()) };
    }
    KNOWN.with_borrow_mut(|known| {
        if let Some(read) = known.get(pattern) {
            return read.as_ref().is_some_and(|pattern| pattern.is_match(text));
        }
        let read = known.entry(pattern.to_owned()).or_insert_with(|| Regex::new(pattern).ok());
        read.as_ref().is_some_and(|pattern| pattern.is_match(text))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn said(schema: &Value, value: &Value) -> Vec<String> {
        let keywords = schema.as_object().unwrap();
        keywords
            .iter()
            .filter_map(|(keyword, limit)| broken(keywords, (keyword, limit), value, "x"))
            .collect()
    }

    #[test]
    fn numbers_stay_between_their_limits_and_are_multiples() {
        let closed = json!({ "minimum": 1, "maximum": 9 });
        let open = json!({ "minimum": 1, "maximum": 9, "exclusiveMinimum": true, "exclusiveMaximum": true });
        let is =
            |wanted: &str, value: &str| [format!("Invalid value: {value}: x in body should be {wanted}")];
        assert_eq!((said(&closed, &json!(1)).len(), said(&closed, &json!(9)).len()), (0, 0));
        assert_eq!(said(&closed, &json!(0)), is("greater than or equal to 1", "0"));
        assert_eq!(said(&closed, &json!(10)), is("less than or equal to 9", "10"));
        assert_eq!(said(&open, &json!(1)), is("greater than 1", "1"));
        assert_eq!(said(&open, &json!(9)), is("less than 9", "9"));
        assert_eq!(said(&open, &json!(1.5)), [""; 0]);
        assert_eq!(said(&json!({ "multipleOf": 5 }), &json!(7)), is("a multiple of 5", "7"));
        assert_eq!(said(&json!({ "multipleOf": 0.1 }), &json!(0.7)), [""; 0]);
        assert_eq!(said(&json!({ "multipleOf": 0.1 }), &json!(0.75)).len(), 1);
    }

    #[test]
    fn texts_lists_and_objects_have_their_size() {
        for (schema, value, expected) in [
            (
                json!({ "minLength": 1 }),
                json!(""),
                "Invalid value: \"\": x in body should be at least 1 chars long",
            ),
            (json!({ "maxLength": 2 }), json!("äöü"), "Too long: may not be more than 2 bytes"),
            (json!({ "minItems": 1 }), json!([]), "Invalid value: 0: x in body should have at least 1 items"),
            (json!({ "maxItems": 1 }), json!([1, 2]), "Too many: 2: must have at most 1 items"),
            (
                json!({ "minProperties": 1 }),
                json!({}),
                "Invalid value: 1: x in body should have at least 1 properties",
            ),
            (
                json!({ "maxProperties": 1 }),
                json!({ "a": 1, "b": 2 }),
                "Invalid value: 1: x in body should have at most 1 properties",
            ),
            (json!({ "pattern": "^a+$" }), json!("b"), "Invalid value: \"b\": x in body should match '^a+$'"),
            (
                json!({ "format": "date" }),
                json!("b"),
                "Invalid value: \"b\": x in body must be of type date: \"b\"",
            ),
            (json!({ "enum": ["a", 1] }), json!("b"), "Unsupported value: \"b\": supported values: \"a\", 1"),
        ] {
            assert_eq!(said(&schema, &value), [expected]);
        }
        let sized = json!({ "maxLength": 3, "maxItems": 2, "maxProperties": 1, "minProperties": 1 });
        for fits in [json!("äöü"), json!([1, 2]), json!({ "a": 1 }), json!(7), json!(true)] {
            assert_eq!(said(&sized, &fits), [""; 0], "{fits}");
        }
    }
}
