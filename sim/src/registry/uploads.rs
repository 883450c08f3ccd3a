use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::URL_SAFE};
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    digest,
    refusal::{Code, Refusal},
    store::Store,
};

/// The uploads under way.
#[derive(Clone, Debug, Default)]
pub(super) struct Uploads {
    started: u64,
    /// What each has got so far, by session.
    under_way: BTreeMap<String, Vec<u8>>,
}

impl Uploads {
    pub(super) fn count(&self) -> usize {
        self.under_way.len()
    }
}

/// What a location says about its session. It is good for one offset: where the session was when it was given out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Session {
    #[serde(rename = "Name")]
    pub(super) repository: String,
    #[serde(rename = "UUID")]
    pub(super) id: String,
    #[serde(rename = "Offset")]
    offset: u64,
}

impl Session {
    /// The path that the next request has to be sent to, with its query as it is.
    pub(super) fn location(&self) -> String {
        // Padded, and so percent-encoded: whoever takes a query apart has to put it together again.
        let state = URL_SAFE.encode(json!(self).to_string());
        let query = form_urlencoded::Serializer::new(String::new()).append_pair("_state", &state).finish();
        format!("/v2/{}/blobs/uploads/{}?{query}", self.repository, self.id)
    }

    /// What the session has got, as the `Range` of an answer.
    pub(super) fn range(&self) -> String {
        format!("0-{}", self.offset.saturating_sub(1))
    }

    fn decode(state: &str) -> Option<Self> {
        serde_json::from_slice(&URL_SAFE.decode(state).ok()?).ok()
    }
}

/// What a client says about the bytes of a chunk that it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ContentRange {
    first: u64,
    last: u64,
}

impl ContentRange {
    /// Without a unit, as the specification has it.
    pub(super) fn parse(text: &str) -> Result<Self, Refusal> {
        let parsed = text.split_once('-').and_then(|(first, last)| {
            Some(Self { first: first.trim().parse().ok()?, last: last.trim().parse().ok()? })
        });
        parsed.ok_or_else(|| Refusal::with(Code::Unknown, json!("invalid content range format")))
    }

    fn check(self, offset: u64, length: usize) -> Result<(), Refusal> {
        if self.first > self.last || self.first != offset {
            return Err(Code::RangeInvalid.into());
        }
        if (self.last - self.first).checked_add(1) != Some(length as u64) {
            return Err(Code::SizeInvalid.into());
        }
        Ok(())
    }
}

impl Store {
    pub(super) fn start_upload(&mut self, repository: &str) -> Session {
        self.uploads.started += 1;
        let id = format!("00000000-0000-4000-8000-{:012x}", self.uploads.started);
        self.uploads.under_way.insert(id.clone(), Vec::new());
        Session { repository: repository.to_owned(), id, offset: 0 }
    }

    /// The session of a location, where it is still there and at the same place.
    pub(super) fn resume_upload(&self, repository: &str, id: &str, state: &str) -> Result<Session, Refusal> {
        let session = Session::decode(state).filter(|said| said.repository == repository && said.id == id);
        let session = session.ok_or(Code::BlobUploadInvalid)?;
        let got = self.uploads.under_way.get(id).ok_or(Code::BlobUploadUnknown)?;
        if got.len() as u64 == session.offset { Ok(session) } else { Err(Code::BlobUploadInvalid.into()) }
    }

    /// Adds a chunk; the session as it is now.
    pub(super) fn append(
        &mut self,
        session: Session,
        chunk: &[u8],
        range: Option<ContentRange>,
    ) -> Result<Session, Refusal> {
        if let Some(range) = range {
            range.check(session.offset, chunk.len())?;
        }
        let got = self.uploads.under_way.get_mut(&session.id).ok_or(Code::BlobUploadUnknown)?;
        got.extend_from_slice(chunk);
        Ok(Session { offset: got.len() as u64, ..session })
    }

    /// Makes a blob of what a session has got. One of another digest stays a session, with all that it has got.
    pub(super) fn finish_upload(
        &mut self,
        session: Session,
        last: &[u8],
        digest: Option<&str>,
    ) -> Result<String, Refusal> {
        let digest = expected_digest(digest)?;
        let session = self.append(session, last, None)?;
        let got = self.uploads.under_way.remove(&session.id).ok_or(Code::BlobUploadUnknown)?;
        if digest::digest_of(&got) != digest {
            self.uploads.under_way.insert(session.id, got);
            return Err(mismatch(digest));
        }
        Ok(self.keep_blob(&session.repository, got.into()))
    }

    /// Takes a blob that comes in one request, without a session.
    pub(super) fn take_blob(
        &mut self,
        repository: &str,
        bytes: Bytes,
        digest: &str,
    ) -> Result<String, Refusal> {
        let digest = expected_digest(Some(digest))?;
        if digest::digest_of(&bytes) != digest {
            return Err(mismatch(digest));
        }
        Ok(self.keep_blob(repository, bytes))
    }

    pub(super) fn cancel_upload(&mut self, session: &Session) {
        self.uploads.under_way.remove(&session.id);
    }
}

fn expected_digest(digest: Option<&str>) -> Result<&str, Refusal> {
    let digest = digest.filter(|digest| !digest.is_empty());
    let digest = digest.ok_or_else(|| Refusal::with(Code::DigestInvalid, json!("digest missing")))?;
    let parsed = digest::is_valid(digest).then_some(digest);
    parsed.ok_or_else(|| Refusal::with(Code::DigestInvalid, json!("digest parsing failed")))
}

fn mismatch(digest: &str) -> Refusal {
    Refusal::with(Code::DigestInvalid, json!({ "Digest": digest, "Reason": {} }))
}
