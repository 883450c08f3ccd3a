//! Archives like those that containerd and CRI-O write.

use std::{fs::File, io::Write as _, path::Path};

use tar::{Builder, EntryType, Header};

/// A checkpoint of the container `counter`, to be changed and written.
#[derive(Clone)]
pub(crate) struct Checkpoint {
    members: Vec<(String, Vec<u8>)>,
    pax: bool,
}

#[allow(dead_code, reason = "each test program uses its part")]
impl Checkpoint {
    pub(crate) fn of(container_id: &str) -> Self {
        let spec = r#"{"annotations":{"io.kubernetes.cri.container-name":"counter",
            "io.kubernetes.cri.sandbox-uid":"pod-uid"}}"#;
        let mut checkpoint = Self { members: Vec::new(), pax: false };
        for (path, data) in [
            ("checkpoint/inventory.img", b"inventory".as_slice()),
            ("checkpoint/pages-1.img", &[7; 5000]),
            ("config.dump", config_dump(container_id, "2026-11-23T18:00:00Z").as_bytes()),
            ("dump.log", b"(00.1) Dumping finished successfully"),
            ("spec.dump", spec.as_bytes()),
            ("status.dump", b"{}"),
        ] {
            checkpoint.members.push((path.to_owned(), data.to_vec()));
        }
        checkpoint
    }

    /// Taken at another time.
    pub(crate) fn at(self, time: &str) -> Self {
        let config = String::from_utf8(self.member("config.dump").to_vec()).expect("text");
        let id = config.split('"').nth(3).expect("an id").to_owned();
        self.with("config.dump", config_dump(&id, time).as_bytes())
    }

    pub(crate) fn with(mut self, path: &str, data: &[u8]) -> Self {
        let member = self.members.iter_mut().find(|member| member.0 == path).expect("a member");
        member.1 = data.to_vec();
        self
    }

    /// With a second member of that name.
    pub(crate) fn with_another(mut self, path: &str, data: &[u8]) -> Self {
        self.members.push((path.to_owned(), data.to_vec()));
        self
    }

    pub(crate) fn without(mut self, path: &str) -> Self {
        self.members.retain(|member| member.0 != path);
        self
    }

    /// As containerd writes it: with extended attributes in front, and sizes that only the extension tells.
    pub(crate) fn in_pax_format(mut self) -> Self {
        self.pax = true;
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut tar = Builder::new(Vec::new());
        self.append_members(&mut tar);
        tar.into_inner().expect("an archive")
    }

    /// Writes it with a last member of `pages_bytes` zeros that take no room on the disk.
    pub(crate) fn write_sparse(&self, path: &Path, pages_bytes: u64) {
        let mut tar = Builder::new(Vec::new());
        self.append_members(&mut tar);
        let mut bytes = tar.into_inner().expect("an archive");
        bytes.truncate(bytes.len() - 1024);
        bytes.extend_from_slice(header("checkpoint/pages-2.img", pages_bytes, EntryType::Regular).as_bytes());
        let mut file = File::create(path).expect("a file");
        file.write_all(&bytes).expect("written");
        file.set_len(bytes.len() as u64 + pages_bytes.next_multiple_of(512) + 1024).expect("extended");
    }

    fn member(&self, path: &str) -> &[u8] {
        &self.members.iter().find(|member| member.0 == path).expect("a member").1
    }

    fn append_members(&self, tar: &mut Builder<Vec<u8>>) {
        tar.append(&header("checkpoint/", 0, EntryType::Directory), &[][..]).expect("appended");
        for (path, data) in &self.members {
            let size = data.len() as u64;
            if self.pax {
                let records =
                    format!("{}{}", record("SCHILY.xattr.user.x", "y"), record("size", &size.to_string()));
                let extension = header("PaxHeaders.0/x", records.len() as u64, EntryType::XHeader);
                tar.append(&extension, records.as_bytes()).expect("appended");
                // The header's own size is one that does not fit, as for a page image of 8 GiB and more.
                let mut bytes = header(path, 0, EntryType::Regular).as_bytes().to_vec();
                bytes.extend_from_slice(data);
                bytes.resize(bytes.len().next_multiple_of(512), 0);
                tar.get_mut().write_all(&bytes).expect("appended");
            } else {
                tar.append(&header(path, size, EntryType::Regular), data.as_slice()).expect("appended");
            }
        }
    }
}

fn header(path: &str, bytes: u64, kind: EntryType) -> Header {
    let mut header = Header::new_ustar();
    header.set_path(path).expect("a path");
    header.set_size(bytes);
    header.set_mode(0o600);
    header.set_entry_type(kind);
    header.set_cksum();
    header
}

/// `LENGTH KEY=VALUE\n`, where the length counts itself.
fn record(key: &str, value: &str) -> String {
    let rest = key.len() + value.len() + 3;
    let length = (1..4).map(|digits| rest + digits).find(|length| length.to_string().len() + rest == *length);
    format!("{} {key}={value}\n", length.expect("a short record"))
}

fn config_dump(container_id: &str, checkpointed_at: &str) -> String {
    format!(
        r#"{{"id":"{container_id}","name":"counter_pod_default_pod-uid_0","rootfsImageName":"registry.example.com/counter:1","rootfsImageRef":"registry.example.com/counter@sha256:cd","runtime":"io.containerd.runc.v2","checkpointedTime":"{checkpointed_at}"}}"#
    )
}
