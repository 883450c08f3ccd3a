use serde_json::{Value, json};

use super::{
    fields::{Difference, FieldSet},
    object::{items, set_meta},
    resource::Resource,
};

/// How a manager wrote its fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    /// Server-side apply: the manager owns what its last configuration names.
    Apply,
    /// Any other write: the manager owns what it changed.
    Update,
}

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Self::Apply => "Apply",
            Self::Update => "Update",
        }
    }
}

/// Who writes, by which way, and when: what an entry of `managedFields` is keyed by and stamped with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Writer {
    pub(super) manager: String,
    pub(super) operation: Operation,
    pub(super) subresource: String,
    /// `metav1.Time` of this write.
    pub(super) time: String,
}

/// The `managedFields` of one object.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Ownership(Vec<Entry>);

#[derive(Clone, Debug, PartialEq)]
struct Entry {
    writer: Writer,
    api_version: String,
    fields: FieldSet,
}

/// Metadata that the server itself keeps, and that therefore nobody owns.
const UNOWNED: &[&[&str]] = &[
    &["f:apiVersion"],
    &["f:kind"],
    &["f:metadata", "f:name"],
    &["f:metadata", "f:namespace"],
    &["f:metadata", "f:generateName"],
    &["f:metadata", "f:uid"],
    &["f:metadata", "f:creationTimestamp"],
    &["f:metadata", "f:deletionTimestamp"],
    &["f:metadata", "f:deletionGracePeriodSeconds"],
    &["f:metadata", "f:resourceVersion"],
    &["f:metadata", "f:generation"],
    &["f:metadata", "f:selfLink"],
    &["f:metadata", "f:managedFields"],
];

/// The fields of an object that somebody can own.
pub(super) fn owned_fields(resource: &Resource, object: &Value) -> FieldSet {
    let mut set = FieldSet::of(resource, object, &mut Vec::new());
    leave_out_unowned(&mut set);
    set
}

fn leave_out_unowned(set: &mut FieldSet) {
    for path in UNOWNED {
        set.forget(path);
    }
}

/// What a write changed among the fields that somebody can own.
pub(super) fn owned_difference(resource: &Resource, old: &Value, new: &Value) -> Difference {
    let mut difference = Difference::between(resource, old, new, &mut Vec::new());
    leave_out_unowned(&mut difference.changed);
    leave_out_unowned(&mut difference.removed);
    difference
}

impl Ownership {
    pub(super) fn read(object: &Value) -> Self {
        let entries = items(&object["metadata"]["managedFields"]).iter().map(|entry| {
            let text = |field: &str| entry[field].as_str().unwrap_or_default().to_owned();
            Entry {
                writer: Writer {
                    manager: text("manager"),
                    operation: if entry["operation"] == "Apply" {
                        Operation::Apply
                    } else {
                        Operation::Update
                    },
                    subresource: text("subresource"),
                    time: text("time"),
                },
                api_version: text("apiVersion"),
                fields: FieldSet::from_fields_v1(&entry["fieldsV1"]),
            }
        });
        Self(entries.collect())
    }

    pub(super) fn write(&self, object: &mut Value) {
        let entries: Vec<Value> = self.0.iter().map(Entry::to_json).collect();
        set_meta(object, "managedFields", if entries.is_empty() { Value::Null } else { json!(entries) });
    }

    /// What `writer` owns by its own way of writing.
    pub(super) fn of(&self, writer: &Writer) -> FieldSet {
        self.0.iter().find(|entry| entry.is_of(writer)).map(|entry| entry.fields.clone()).unwrap_or_default()
    }

    /// What anybody else owns.
    pub(super) fn of_others(&self, writer: &Writer) -> FieldSet {
        let mut all = FieldSet::default();
        for entry in self.0.iter().filter(|entry| !entry.is_of(writer)) {
            all.add(&entry.fields);
        }
        all
    }

    /// Who else owns some of `fields`, and which.
    pub(super) fn conflicts(&self, writer: &Writer, fields: &FieldSet) -> Vec<(String, FieldSet)> {
        let others = self.0.iter().filter(|entry| !entry.is_of(writer));
        others
            .map(|entry| (entry.described(), entry.fields.common(fields)))
            .filter(|(_, common)| !common.is_empty())
            .collect()
    }

    /// Records an update, patch or create that made `difference`.
    pub(super) fn record_update(&mut self, resource: &Resource, writer: &Writer, difference: &Difference) {
        let mut touched = difference.changed.clone();
        touched.add(&difference.removed);
        if touched.is_empty() {
            return;
        }
        let mut own = self.of(writer);
        own.subtract(&difference.removed);
        own.add(&difference.changed);
        self.take_from_others(writer, &touched);
        self.put(resource, writer, own);
    }

    /// Records an apply of a configuration that names `fields`, after it made `difference`.
    pub(super) fn record_apply(
        &mut self,
        resource: &Resource,
        writer: &Writer,
        fields: FieldSet,
        difference: &Difference,
    ) {
        let mut touched = difference.changed.clone();
        touched.add(&difference.removed);
        self.take_from_others(writer, &touched);
        self.put(resource, writer, fields);
    }

    fn take_from_others(&mut self, writer: &Writer, fields: &FieldSet) {
        for entry in self.0.iter_mut().filter(|entry| !entry.is_of(writer)) {
            entry.fields.subtract(fields);
        }
        self.0.retain(|entry| !entry.fields.is_empty());
    }

    fn put(&mut self, resource: &Resource, writer: &Writer, fields: FieldSet) {
        if let Some(entry) = self.0.iter_mut().find(|entry| entry.is_of(writer)) {
            // The time moves only when the entry does: an idle apply must leave the object as it is.
            if entry.fields != fields {
                entry.fields = fields;
                entry.writer.time.clone_from(&writer.time);
            }
        } else {
            self.0.push(Entry { writer: writer.clone(), api_version: resource.api_version(), fields });
        }
        self.0.retain(|entry| !entry.fields.is_empty());
    }
}

impl Entry {
    fn is_of(&self, writer: &Writer) -> bool {
        self.writer.manager == writer.manager
            && self.writer.operation == writer.operation
            && self.writer.subresource == writer.subresource
    }

    fn described(&self) -> String {
        let with = match self.writer.operation {
            Operation::Apply => String::new(),
            Operation::Update => format!(" using {}", self.api_version),
        };
        let on = match self.writer.subresource.as_str() {
            "" => String::new(),
            subresource => format!(" with subresource \"{subresource}\""),
        };
        format!("conflict with \"{}\"{on}{with}", self.writer.manager)
    }

    fn to_json(&self) -> Value {
        let mut entry = json!({
            "manager": self.writer.manager,
            "operation": self.writer.operation.name(),
            "apiVersion": self.api_version,
            "time": self.writer.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": self.fields.to_fields_v1(),
        });
        if !self.writer.subresource.is_empty() {
            entry["subresource"] = json!(self.writer.subresource);
        }
        entry
    }
}
