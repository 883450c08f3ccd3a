use std::{collections::BTreeMap, sync::Arc};

use super::{Archive, Program};

/// The registry, and what every node can pull from it.
#[derive(Default)]
pub struct Images {
    by_digest: BTreeMap<String, Image>,
    tags: BTreeMap<String, String>,
}

/// What an image holds.
#[derive(Clone)]
pub enum Image {
    /// A program that starts from nothing.
    Program(Arc<dyn Program>),
    /// A checkpoint; starting it goes on where it was taken.
    Checkpoint(Archive),
}

impl Images {
    /// Makes a program pullable by `reference`.
    pub fn add_program(&mut self, reference: &str, program: Arc<dyn Program>) {
        let digest = format!("program:{reference}");
        self.by_digest.insert(digest.clone(), Image::Program(program));
        self.tags.insert(reference.to_owned(), digest);
    }

    /// Pushes a checkpoint as `repository:tag`; the digest names its content. Pushing the same again changes nothing.
    pub fn push(&mut self, repository: &str, tag: &str, archive: Archive) -> String {
        let digest = archive.digest();
        self.tags.insert(format!("{repository}:{tag}"), digest.clone());
        self.by_digest.insert(digest.clone(), Image::Checkpoint(archive));
        digest
    }

    /// Deletes a checkpoint by `repository@digest` or `repository:tag`; false when there is none.
    pub fn delete(&mut self, reference: &str) -> bool {
        let Some(digest) = self.digest_of(reference) else { return false };
        self.tags.retain(|_, tagged| *tagged != digest);
        self.by_digest.remove(&digest).is_some()
    }

    /// Pulls.
    pub fn pull(&self, reference: &str) -> Option<Image> {
        self.by_digest.get(&self.digest_of(reference)?).cloned()
    }

    /// Every checkpoint that it holds, by digest.
    pub fn checkpoints(&self) -> impl Iterator<Item = (&str, &Archive)> {
        self.by_digest.iter().filter_map(|(digest, image)| match image {
            Image::Checkpoint(archive) => Some((digest.as_str(), archive)),
            Image::Program(_) => None,
        })
    }

    fn digest_of(&self, reference: &str) -> Option<String> {
        match reference.split_once('@') {
            Some((_, digest)) => Some(digest.to_owned()),
            None => self.tags.get(reference).cloned(),
        }
    }
}
