//! Credentials from a mounted push Secret (`kubernetes.io/dockerconfigjson`).

use std::{collections::BTreeMap, fmt, fs, io, path::Path};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;

/// A Secret holds a mebibyte at most.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// What Docker's own registry is called in such files.
const DOCKER_HUB: [&str; 3] = ["docker.io", "index.docker.io", "registry-1.docker.io"];

/// How to introduce oneself to a registry.
#[derive(Clone, PartialEq, Eq)]
pub enum Credentials {
    /// Not at all.
    Anonymous,
    /// With a name and a password.
    Password {
        /// The name.
        username: String,
        /// The password.
        password: String,
    },
    /// With a token that is sent as it is.
    Token(String),
}

/// Why the file cannot be used. Never says what is in it.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// It cannot be read.
    #[error("{path}: {source}; mount the push Secret's .dockerconfigjson there")]
    Unreadable {
        /// The file.
        path: String,
        /// What the operating system says.
        source: io::Error,
    },
    /// It is not such a file.
    #[error(
        "{path} is no Docker configuration ({why}); the push Secret's type is kubernetes.io/dockerconfigjson"
    )]
    Invalid {
        /// The file.
        path: String,
        /// What is wrong, without its content.
        why: &'static str,
    },
}

#[derive(Deserialize)]
struct DockerConfig {
    auths: BTreeMap<String, Entry>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Entry {
    auth: String,
    username: String,
    password: String,
    registrytoken: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Anonymous => "Anonymous",
            Self::Password { .. } => "Password(<redacted>)",
            Self::Token(_) => "Token(<redacted>)",
        })
    }
}

impl Credentials {
    /// Reads the entry for `repository` of `registry`; anonymous when the file has none.
    pub fn from_file(path: &Path, registry: &str, repository: &str) -> Result<Self, CredentialsError> {
        let shown = path.display().to_string();
        let unreadable = |source| CredentialsError::Unreadable { path: shown.clone(), source };
        let invalid = |why| CredentialsError::Invalid { path: shown.clone(), why };
        if fs::metadata(path).map_err(unreadable)?.len() > FILE_BYTES_MAX {
            return Err(invalid("it is larger than a Secret can be"));
        }
        let text = fs::read(path).map_err(unreadable)?;
        // The parser's own message may quote the file.
        let config: DockerConfig =
            serde_json::from_slice(&text).map_err(|_| invalid("it is not JSON with a map named auths"))?;
        config.entry(registry, repository).map_or(Ok(Self::Anonymous), Entry::credentials).map_err(invalid)
    }
}

impl DockerConfig {
    /// The entry with the longest matching path: a Secret may hold one per repository.
    fn entry(&self, registry: &str, repository: &str) -> Option<&Entry> {
        let matching = self.auths.iter().filter_map(|(key, entry)| {
            let key = key.trim_start_matches("https://").trim_start_matches("http://");
            let (host, path) = key.split_once('/').unwrap_or((key, ""));
            let path = path.trim_end_matches('/');
            let same_host =
                host == registry || (DOCKER_HUB.contains(&host) && DOCKER_HUB.contains(&registry));
            // `v1` and `v2` are the API's versions, which Docker's own tools leave in the key.
            let path = if matches!(path, "v1" | "v2") { "" } else { path };
            let below = repository
                .strip_prefix(path)
                .is_some_and(|rest| path.is_empty() || rest.is_empty() || rest.starts_with('/'));
            (same_host && below).then_some((path.len(), entry))
        });
        matching.max_by_key(|(length, _)| *length).map(|(_, entry)| entry)
    }
}

impl Entry {
    fn credentials(&self) -> Result<Credentials, &'static str> {
        if !self.registrytoken.is_empty() {
            return Ok(Credentials::Token(self.registrytoken.clone()));
        }
        if !self.username.is_empty() {
            return Ok(Credentials::Password {
                username: self.username.clone(),
                password: self.password.clone(),
            });
        }
        if self.auth.is_empty() {
            return Ok(Credentials::Anonymous);
        }
        let decoded = STANDARD.decode(self.auth.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
        let (username, password) = decoded
            .as_deref()
            .and_then(|pair| pair.split_once(':'))
            .ok_or("an entry's auth is not base64 of name:password")?;
        Ok(Credentials::Password { username: username.to_owned(), password: password.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(json: &str, registry: &str, repository: &str) -> Result<Credentials, CredentialsError> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), json).expect("written");
        Credentials::from_file(file.path(), registry, repository)
    }

    fn password(username: &str, password: &str) -> Credentials {
        Credentials::Password { username: username.to_owned(), password: password.to_owned() }
    }

    #[test]
    fn the_longest_path_of_the_same_host_counts() {
        let json = r#"{"auths":{
            "registry.example.com:5000":{"username":"all","password":"1"},
            "https://registry.example.com:5000/team":{"auth":"dGVhbTphOmI="},
            "other.example.com":{"username":"other","password":"2"}}}"#;
        let at = |registry, repository| found(json, registry, repository).expect("readable");
        assert_eq!(at("registry.example.com:5000", "team/x"), password("team", "a:b"));
        assert_eq!(at("registry.example.com:5000", "teamwork/x"), password("all", "1"));
        assert_eq!(at("registry.example.com", "team/x"), Credentials::Anonymous);
    }

    #[test]
    fn docker_hub_has_several_names() {
        let json = r#"{"auths":{"https://index.docker.io/v1/":{"username":"u","password":"p"}}}"#;
        assert_eq!(found(json, "docker.io", "library/x").expect("readable"), password("u", "p"));
    }

    #[test]
    fn a_token_is_sent_as_it_is() {
        let json = r#"{"auths":{"r.example.com":{"registrytoken":"t","username":"u"}}}"#;
        assert_eq!(found(json, "r.example.com", "x").expect("readable"), Credentials::Token("t".to_owned()));
    }

    #[test]
    fn errors_and_debug_output_keep_the_secret() {
        for json in [r#"{"auths":"hunter2"}"#, r#"{"auths":{"r":{"auth":"hunter2!"}}}"#] {
            let error = found(json, "r", "x").expect_err("invalid");
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error:?}");
        }
        assert!(!format!("{:?}", password("u", "hunter2")).contains("hunter2"));
        let error = Credentials::from_file(Path::new("/nonexistent"), "r", "x").expect_err("nothing there");
        assert!(error.to_string().contains("push Secret"), "{error}");
    }
}
