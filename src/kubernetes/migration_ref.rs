use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::{Resource as _, ResourceExt as _};

use crate::api::{ANNOTATION_MIGRATION_NAME, LABEL_MIGRATION_UID, StatefulMigration};

/// Which migration it is, and how everything that belongs to it is marked.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MigrationRef {
    /// Namespace of the object, and of its source, shadow and Jobs.
    pub namespace: String,
    /// Name of the object.
    pub name: String,
    /// UID of the object.
    pub uid: String,
}

impl MigrationRef {
    /// Of an object that the API server has stored.
    pub fn of(migration: &StatefulMigration) -> Self {
        Self {
            namespace: migration.namespace().unwrap_or_default(),
            name: migration.name_any(),
            uid: migration.uid().unwrap_or_default(),
        }
    }

    /// The label by which the operator watches what belongs to a migration.
    pub fn labels(&self) -> BTreeMap<String, String> {
        BTreeMap::from([(LABEL_MIGRATION_UID.to_owned(), self.uid.clone())])
    }

    /// The annotation that leads from a watched object back to the migration.
    pub fn annotations(&self) -> BTreeMap<String, String> {
        BTreeMap::from([(ANNOTATION_MIGRATION_NAME.to_owned(), self.name.clone())])
    }

    /// Lets the garbage collector remove what an operator that is gone for good has left.
    pub fn owner_reference(&self) -> OwnerReference {
        OwnerReference {
            api_version: StatefulMigration::api_version(&()).into_owned(),
            kind: StatefulMigration::kind(&()).into_owned(),
            name: self.name.clone(),
            uid: self.uid.clone(),
            controller: Some(true),
            block_owner_deletion: None,
        }
    }
}
