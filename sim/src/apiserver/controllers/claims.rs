use serde_json::{Value, json};

use super::{MANAGER, pods::controlled_by};
use crate::apiserver::{
    object::{is_terminating, items, meta, set_meta},
    selector::matches_label_selector,
    store::{Key, Store},
};

/// Makes an owner's dependents those that its selector names: adopts what matches and nobody controls, lets go what does
/// not match any more. `may_be` says which objects it would take at all.
///
/// See `ControllerRefManager` of the controller manager.
pub(super) fn settle(store: &mut Store, owner: &Value, plural: (&str, &str), may_be: impl Fn(&str) -> bool) {
    let (group, plural) = plural;
    let uid = meta(owner, "uid");
    let mut adopted: Vec<Key> = Vec::new();
    let mut released: Vec<Key> = Vec::new();
    for (key, object) in store.entries(group, plural, meta(owner, "namespace")) {
        let matches = matches_label_selector(&owner["spec"]["selector"], &object["metadata"]["labels"]);
        match controller_of(object) {
            Some(controller) if controller == uid && !matches => released.push(key.clone()),
            None if matches && may_be(&key.name) && !is_terminating(object) => adopted.push(key.clone()),
            _ => {}
        }
    }
    if is_terminating(owner) {
        return;
    }
    for key in adopted {
        let reference = controlled_by(owner);
        store.rewrite(&key, MANAGER, "", |object| {
            let mut owners = items(&object["metadata"]["ownerReferences"]).to_vec();
            owners.push(reference);
            set_meta(object, "ownerReferences", json!(owners));
        });
    }
    for key in released {
        store.rewrite(&key, MANAGER, "", |object| {
            let mut owners = items(&object["metadata"]["ownerReferences"]).to_vec();
            owners.retain(|reference| reference["uid"] != uid);
            set_meta(object, "ownerReferences", if owners.is_empty() { Value::Null } else { json!(owners) });
        });
    }
}

/// UID of the one owner that acts for an object.
pub(super) fn controller_of(object: &Value) -> Option<&str> {
    let owners = items(&object["metadata"]["ownerReferences"]);
    owners.iter().find(|owner| owner["controller"] == true)?["uid"].as_str()
}
