use http::Method;

use super::{digest, treat::Kind};

/// Of a repository's name.
const NAME_BYTES_MAX: usize = 255;

/// What a path is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// The registry.
    Root,
    /// A path that lacks its last slash.
    Slashless,
    /// A manifest, by tag or by digest.
    Manifest { repository: String, reference: String },
    /// A blob; whether the digest is one is not looked at.
    Blob { repository: String, digest: String },
    /// Uploads that may be started.
    Uploads { repository: String },
    /// An upload under way.
    Upload { repository: String, session: String },
    /// The tags of a repository.
    Tags { repository: String },
}

impl Target {
    /// `None` for what no path is about. Only the end decides: every word may be a part of a repository's name.
    pub(super) fn parse(path: &str) -> Option<Self> {
        let rest = match path {
            "/v2" => return Some(Self::Slashless),
            "/v2/" => return Some(Self::Root),
            _ => path.strip_prefix("/v2/")?,
        };
        let words: Vec<&str> = rest.split('/').collect();
        Some(match words.as_slice() {
            [name @ .., "tags", "list"] => Self::Tags { repository: repository(name)? },
            [name @ .., "blobs", "uploads"] => repository(name).map(|_| Self::Slashless)?,
            [name @ .., "blobs", "uploads", ""] => Self::Uploads { repository: repository(name)? },
            [name @ .., "blobs", "uploads", session] if is_session(session) => {
                Self::Upload { repository: repository(name)?, session: (*session).to_owned() }
            }
            [name @ .., "blobs", digest] if digest::is_digest_like(digest) => {
                Self::Blob { repository: repository(name)?, digest: (*digest).to_owned() }
            }
            [name @ .., "manifests", reference] if is_reference(reference) => {
                Self::Manifest { repository: repository(name)?, reference: (*reference).to_owned() }
            }
            _ => return None,
        })
    }

    /// Which step it is to do this with it.
    pub(super) fn kind(&self, method: &Method) -> Kind {
        let is_read = matches!(*method, Method::GET | Method::HEAD);
        match (self, method) {
            (Self::Root, _) => Kind::Ping,
            (Self::Uploads { .. }, &Method::POST) => Kind::StartUpload,
            (Self::Upload { .. }, &Method::PATCH) => Kind::Chunk,
            (Self::Upload { .. }, &Method::PUT) => Kind::FinishUpload,
            (Self::Manifest { .. }, &Method::PUT) => Kind::PutManifest,
            (Self::Manifest { .. }, &Method::DELETE) => Kind::DeleteManifest,
            (Self::Manifest { .. }, _) if is_read => Kind::GetManifest,
            (Self::Blob { .. }, &Method::DELETE) => Kind::DeleteBlob,
            (Self::Blob { .. }, _) if is_read => Kind::GetBlob,
            _ => Kind::Other,
        }
    }

    /// The methods that are served, as `Allow` says them.
    pub(super) fn allowed(&self) -> &'static str {
        match self {
            Self::Root | Self::Slashless => "GET, HEAD",
            Self::Manifest { .. } => "DELETE, GET, HEAD, PUT",
            Self::Blob { .. } => "DELETE, GET, HEAD",
            Self::Uploads { .. } => "POST",
            Self::Upload { .. } => "DELETE, GET, HEAD, PATCH, PUT",
            Self::Tags { .. } => "GET",
        }
    }
}

fn is_session(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.=".contains(&byte))
}

fn is_reference(text: &str) -> bool {
    let in_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let is_tag = text.bytes().next().is_some_and(in_word)
        && text.len() <= 128
        && text.bytes().all(|byte| in_word(byte) || b".-".contains(&byte));
    is_tag || digest::is_digest_like(text)
}

/// The name that these are the parts of: words of small letters and digits, with `.`, `_`, `__` or any number of `-`
/// between them.
fn repository(parts: &[&str]) -> Option<String> {
    let in_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let is_separator =
        |text: &str| matches!(text, "" | "." | "_" | "__") || text.bytes().all(|byte| byte == b'-');
    let is_part = |part: &&str| {
        let has_ends = part.bytes().next().is_some_and(in_word) && part.bytes().last().is_some_and(in_word);
        has_ends && part.split(|letter: char| u8::try_from(letter).is_ok_and(in_word)).all(is_separator)
    };
    let name = parts.join("/");
    (!parts.is_empty() && parts.iter().all(is_part) && name.len() <= NAME_BYTES_MAX).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_of_a_path_decides_what_it_is_about() {
        let repository = "team/manifests/blobs/uploads".to_owned();
        let parsed = Target::parse("/v2/team/manifests/blobs/uploads/manifests/v1");
        assert_eq!(parsed, Some(Target::Manifest { repository, reference: "v1".to_owned() }));
    }

    #[test]
    fn names_are_those_of_the_specification() {
        for name in ["a", "a/b/c", "a.b", "a_b", "a__b", "a--b", "0"] {
            assert!(Target::parse(&format!("/v2/{name}/tags/list")).is_some(), "{name}");
        }
        for name in ["", "A", "a/", "/a", "a//b", "-a", "a-", "a..b", "a___b", "a._b", "ä"] {
            assert!(Target::parse(&format!("/v2/{name}/tags/list")).is_none(), "{name}");
        }
    }
}
