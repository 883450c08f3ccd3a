//! The command line of `ms2m transfer`, and what it resolves to.

use std::{fs, path::PathBuf, time::Duration};

use clap::{ArgGroup, Args, Command, FromArgMatches as _};
use oci_spec::distribution::Reference;

use super::{
    archive::Expectation, connection::Connection, credentials::Credentials, error::TransferError, node::Node,
};

/// Push a checkpoint archive as an image, or delete the image and the archives again.
#[derive(Args, Clone, Debug, Default)]
#[command(group = ArgGroup::new("task").args(["archive", "newest_in", "delete", "delete_archives"])
    .required(true).multiple(true))]
pub struct TransferFlags {
    /// Push this archive.
    #[arg(long, value_name = "PATH", requires_all = ["image", "container"],
        conflicts_with_all = ["newest_in", "delete", "delete_archives"])]
    archive: Option<PathBuf>,
    /// Push the newest complete archive of the container in this folder.
    #[arg(long, value_name = "DIR", requires_all = ["image", "container", "expect_container_id"],
        conflicts_with_all = ["delete", "delete_archives"])]
    newest_in: Option<PathBuf>,
    /// The image: REPOSITORY:TAG to push; with --delete also REPOSITORY@DIGEST.
    #[arg(long, value_name = "REFERENCE")]
    image: Option<String>,
    /// Name of the container that the archive must be of.
    #[arg(long, value_name = "NAME")]
    container: Option<String>,
    /// UID of the pod that the archive must be of.
    #[arg(long, value_name = "UID")]
    expect_pod_uid: Option<String>,
    /// The runtime's id of the container that the archive must be of, with or without containerd://.
    #[arg(long, value_name = "ID")]
    expect_container_id: Option<String>,

    /// Delete the image from its registry.
    #[arg(long, requires = "image")]
    delete: bool,
    /// Delete the container's archives in --dir, whatever they are called.
    #[arg(long, requires_all = ["dir", "container_id"])]
    delete_archives: bool,
    /// Folder of the archives.
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// The runtime's id of the container whose archives are deleted, with or without containerd://.
    #[arg(long, value_name = "ID")]
    container_id: Option<String>,

    /// The push Secret's .dockerconfigjson; anonymous without it.
    #[arg(long, value_name = "FILE")]
    docker_config: Option<PathBuf>,
    /// Certificate authorities in PEM form that are trusted besides the machine's own.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Speak HTTP without TLS; only with a registry on this machine.
    #[arg(long)]
    plain_http: bool,
    /// How long everything together may take.
    #[arg(long, value_name = "SECONDS", default_value_t = 3600, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    timeout_seconds: u64,
    /// Where the report goes besides the standard output; in a pod /dev/termination-log.
    #[arg(long, value_name = "FILE")]
    pub(super) termination_log: Option<PathBuf>,
}

/// What is to be done.
#[derive(Clone, Debug)]
pub struct Transfer {
    pub(super) task: Task,
    pub(super) timeout: Duration,
}

/// One of the two directions.
#[derive(Clone, Debug)]
pub(super) enum Task {
    /// Archive to image.
    Push {
        /// Which archive.
        archive: ArchiveChoice,
        /// What it must be.
        expected: Expectation,
        /// Where it goes.
        connection: Box<Connection>,
    },
    /// Back to nothing.
    Clean {
        /// The image to delete.
        image: Option<Box<Connection>>,
        /// Folder, and id of the container whose archives are deleted.
        archives: Option<(PathBuf, String)>,
    },
}

/// Where the archive is.
#[derive(Clone, Debug)]
pub(super) enum ArchiveChoice {
    /// At this path.
    Path(PathBuf),
    /// The newest one of a container in a folder.
    NewestIn(PathBuf, String),
}

impl TransferFlags {
    /// Reads the words that follow `ms2m transfer`.
    pub fn parse<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<Self, TransferError> {
        let command = Self::augment_args(Command::new("transfer").no_binary_name(true));
        let parsed = command.try_get_matches_from(words).and_then(|matches| Self::from_arg_matches(&matches));
        parsed.map_err(|error| TransferError::Options(error.to_string()))
    }

    /// Reads the files that the flags name, and refuses what makes no sense.
    pub fn resolve(&self, node: &dyn Node) -> Result<Transfer, TransferError> {
        let task = match self.archive_choice() {
            Some(archive) => Task::Push {
                archive,
                expected: Expectation {
                    container: self.container.clone().unwrap_or_default(),
                    container_id: self.expect_container_id.as_deref().map(without_scheme),
                    pod_uid: self.expect_pod_uid.clone(),
                },
                connection: Box::new(self.connection(node, false)?),
            },
            None => Task::Clean {
                image: if self.delete { Some(Box::new(self.connection(node, true)?)) } else { None },
                archives: self.archives_to_delete(),
            },
        };
        Ok(Transfer { task, timeout: Duration::from_secs(self.timeout_seconds) })
    }

    fn archive_choice(&self) -> Option<ArchiveChoice> {
        let newest = || {
            let id = self.expect_container_id.as_deref()?;
            Some(ArchiveChoice::NewestIn(self.newest_in.clone()?, without_scheme(id)))
        };
        self.archive.clone().map(ArchiveChoice::Path).or_else(newest)
    }

    fn archives_to_delete(&self) -> Option<(PathBuf, String)> {
        let asked = self.dir.clone().zip(self.container_id.as_deref().map(without_scheme));
        asked.filter(|_| self.delete_archives)
    }

    fn connection(&self, node: &dyn Node, by_digest_too: bool) -> Result<Connection, TransferError> {
        let image = image_reference(self.image.as_deref().unwrap_or_default(), by_digest_too)?;
        let credentials = match &self.docker_config {
            Some(file) => Credentials::from_file(file, image.registry(), image.repository())?,
            None => Credentials::Anonymous,
        };
        let ca_pem = self.ca_file.as_ref().map(|file| {
            fs::read(file)
                .map_err(|error| TransferError::Options(format!("--ca-file {}: {error}", file.display())))
        });
        Connection::new(node, image, credentials, ca_pem.transpose()?.as_deref(), self.plain_http)
    }
}

/// A reference that names one image: `latest` by omission would be everybody's.
fn image_reference(text: &str, by_digest_too: bool) -> Result<Reference, TransferError> {
    let refuse = |why: &str| TransferError::Options(format!("--image {text}: {why}"));
    let image: Reference = text.parse().map_err(|error| refuse(&format!("{error}")))?;
    if image.digest().is_some() {
        return if by_digest_too {
            Ok(image)
        } else {
            Err(refuse("push to REPOSITORY:TAG, not to a digest"))
        };
    }
    match image.tag() {
        Some(tag) if text.ends_with(&format!(":{tag}")) => Ok(image),
        _ => Err(refuse("name a tag, as in REPOSITORY:TAG")),
    }
}

/// Kubernetes writes `containerd://ID`, runtimes write `ID`.
fn without_scheme(id: &str) -> String {
    id.split_once("://").map_or(id, |(_, bare)| bare).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registry::node::ThisNode;

    fn parse(line: &str) -> Result<TransferFlags, TransferError> {
        TransferFlags::parse(line.split(' '))
    }

    fn refused(line: &str) -> String {
        parse(line).expect("parsed").resolve(&ThisNode).expect_err("refused").to_string()
    }

    #[test]
    fn each_task_asks_for_what_it_needs() {
        for line in [
            "",
            "--image r.example.com/x:1",
            "--archive a.tar",
            "--archive a.tar --image r.example.com/x:1",
            "--newest-in d --image r.example.com/x:1 --container c",
            "--delete",
            "--delete-archives --dir d",
            "--archive a.tar --image r.example.com/x:1 --container c --delete",
            "--delete --image r.example.com/x:1 --timeout-seconds 0",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }

    #[test]
    fn a_push_knows_what_it_expects() {
        let line =
            "--newest-in d --image r.example.com/x:1 --container c --expect-container-id containerd://5f";
        let transfer = parse(line).expect("parsed").resolve(&ThisNode).expect("resolved");
        let Task::Push { archive: ArchiveChoice::NewestIn(folder, id), expected, connection } = transfer.task
        else {
            panic!("not the newest archive")
        };
        assert_eq!((folder, id.as_str()), (PathBuf::from("d"), "5f"));
        assert_eq!(expected.container_id.as_deref(), Some("5f"));
        assert_eq!(connection.named(), "1");
        assert_eq!(transfer.timeout, Duration::from_hours(1));
    }

    #[test]
    fn a_clean_up_does_one_thing_or_both() {
        let both = "--delete --image r.example.com/x:1 --delete-archives --dir d --container-id cri-o://5f";
        let Task::Clean { image, archives } =
            parse(both).expect("parsed").resolve(&ThisNode).expect("resolved").task
        else {
            panic!("not a clean-up")
        };
        assert!(image.is_some());
        assert_eq!(archives, Some((PathBuf::from("d"), "5f".to_owned())));
        let digest = format!("--delete --image r.example.com/x@sha256:{}", "a".repeat(64));
        let Task::Clean { archives, .. } =
            parse(&digest).expect("parsed").resolve(&ThisNode).expect("resolved").task
        else {
            panic!("not a clean-up")
        };
        assert_eq!(archives, None);
    }

    #[test]
    fn an_image_without_a_tag_is_refused() {
        assert!(refused("--delete --image r.example.com/x").contains("name a tag"));
        assert!(refused("--delete --image r.example.com:5000/x").contains("name a tag"));
        assert!(refused("--delete --image Not/An:Image:At:All").contains("--image"));
        let digest =
            format!("--archive a.tar --container c --image r.example.com/x@sha256:{}", "a".repeat(64));
        assert!(refused(&digest).contains("not to a digest"));
    }

    #[test]
    fn files_that_are_not_there_are_named() {
        let line = "--delete --image r.example.com/x:1 --ca-file /nonexistent/ca.crt";
        assert!(refused(line).contains("/nonexistent/ca.crt"));
        let line = "--delete --image r.example.com/x:1 --docker-config /nonexistent/config.json";
        assert!(refused(line).contains("/nonexistent/config.json"));
    }
}
