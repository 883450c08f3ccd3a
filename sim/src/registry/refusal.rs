use serde_json::{Value, json};

/// What is wrong with a request, as the specification names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Code {
    BlobUnknown,
    BlobUploadInvalid,
    BlobUploadUnknown,
    DigestInvalid,
    ManifestBlobUnknown,
    ManifestInvalid,
    ManifestUnknown,
    NameUnknown,
    RangeInvalid,
    SizeInvalid,
    Unknown,
    Unsupported,
}

impl Code {
    /// HTTP status, code and message, as `distribution` has them.
    fn parts(self) -> (u16, &'static str, &'static str) {
        match self {
            Self::BlobUnknown => (404, "BLOB_UNKNOWN", "blob unknown to registry"),
            Self::BlobUploadInvalid => (404, "BLOB_UPLOAD_INVALID", "blob upload invalid"),
            Self::BlobUploadUnknown => (404, "BLOB_UPLOAD_UNKNOWN", "blob upload unknown to registry"),
            Self::DigestInvalid => (400, "DIGEST_INVALID", "provided digest did not match uploaded content"),
            Self::ManifestBlobUnknown => (400, "MANIFEST_BLOB_UNKNOWN", "blob unknown to registry"),
            Self::ManifestInvalid => (400, "MANIFEST_INVALID", "manifest invalid"),
            Self::ManifestUnknown => (404, "MANIFEST_UNKNOWN", "manifest unknown"),
            Self::NameUnknown => (404, "NAME_UNKNOWN", "repository name not known to registry"),
            Self::RangeInvalid => (416, "RANGE_INVALID", "invalid content range"),
            Self::SizeInvalid => (400, "SIZE_INVALID", "provided length did not match content length"),
            Self::Unknown => (500, "UNKNOWN", "unknown error"),
            Self::Unsupported => (405, "UNSUPPORTED", "The operation is unsupported."),
        }
    }
}

/// A request that is refused, with every reason for it.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{status} {errors:?}")]
pub(super) struct Refusal {
    pub(super) status: u16,
    errors: Vec<Value>,
}

impl Refusal {
    /// Says more than the code; `detail` is for people, and may be null.
    pub(super) fn with(code: Code, detail: Value) -> Self {
        let (status, name, message) = code.parts();
        Self::named(status, name, message, detail)
    }

    pub(super) fn with_message(code: Code, message: &str) -> Self {
        let (status, name, _) = code.parts();
        Self::named(status, name, message, Value::Null)
    }

    /// One that is not in the specification.
    pub(super) fn named(status: u16, code: &str, message: &str, detail: Value) -> Self {
        let mut error = json!({ "code": code, "message": message });
        if !detail.is_null() {
            error["detail"] = detail;
        }
        Self { status, errors: vec![error] }
    }

    /// The same for several things at once; `None` where there are none.
    pub(super) fn for_each(code: Code, details: Vec<Value>) -> Option<Self> {
        let refusals = details.into_iter().map(|detail| Self::with(code, detail));
        refusals.reduce(|mut all, mut next| {
            all.errors.append(&mut next.errors);
            all
        })
    }

    pub(super) fn body(&self) -> Value {
        json!({ "errors": self.errors })
    }
}

impl From<Code> for Refusal {
    fn from(code: Code) -> Self {
        Self::with(code, Value::Null)
    }
}
