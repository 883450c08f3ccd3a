use lapin::uri::AMQPUri;
use percent_encoding::percent_decode_str;

/// Why a text is no URL that can be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidUrl(String);

/// Reads an AMQP URL. The text is a secret, so an error does not repeat it.
pub fn parse_amqp_url(text: &str) -> Result<AMQPUri, InvalidUrl> {
    text.trim().parse().map_err(|error: String| {
        InvalidUrl(format!("not an AMQP URL such as amqp://user:password@host:5672/vhost: {error}"))
    })
}

/// Where the management API is: `http://user:password@host:15672`.
#[derive(Clone, PartialEq, Eq)]
pub struct ManagementUrl {
    pub(super) tls: bool,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) user: String,
    pub(super) password: String,
}

impl ManagementUrl {
    /// Reads the URL. The text is a secret, so an error does not repeat it.
    pub fn parse(text: &str) -> Result<Self, InvalidUrl> {
        let invalid = || InvalidUrl("not a URL such as http://user:password@host:15672".to_owned());
        let text = text.trim();
        let (tls, rest) = match (text.strip_prefix("http://"), text.strip_prefix("https://")) {
            (Some(rest), _) => (false, rest),
            (_, Some(rest)) => (true, rest),
            _ => return Err(invalid()),
        };
        let authority = rest.split('/').next().unwrap_or_default();
        let (credentials, address) = authority.rsplit_once('@').unwrap_or(("guest:guest", authority));
        let (user, password) = credentials.split_once(':').ok_or_else(invalid)?;
        let (host, port) = match address.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().map_err(|_| invalid())?),
            None => (address, if tls { 15671 } else { 15672 }),
        };
        if host.is_empty() {
            return Err(invalid());
        }
        // Written as in the AMQP URL, which stands beside it in the Secret (RFC 3986, 3.2.1).
        let decoded =
            |text: &str| percent_decode_str(text).decode_utf8().map(Into::into).map_err(|_| invalid());
        let (user, password) = (decoded(user)?, decoded(password)?);
        Ok(Self { tls, host: host.to_owned(), port, user, password })
    }
}

impl std::fmt::Debug for ManagementUrl {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}://{}:{}", if self.tls { "https" } else { "http" }, self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_host_port_and_credentials() {
        let url = ManagementUrl::parse("http://u:p@broker:1234/").unwrap();
        assert_eq!((url.host.as_str(), url.port, url.user.as_str(), url.tls), ("broker", 1234, "u", false));
        assert_eq!(ManagementUrl::parse("https://u:p@broker").unwrap().port, 15671);
    }

    #[test]
    fn credentials_mean_the_same_in_both_urls() {
        let cases = [
            ("us%40er:p%3Ass%2Fword", ("us@er", "p:ss/word")),
            ("u:gr%C3%BCn", ("u", "grün")),
            // Not decoded twice, and what is no escape is what it says.
            ("u:%2541", ("u", "%41")),
            ("u:50%", ("u", "50%")),
            ("u:%zz%4", ("u", "%zz%4")),
        ];
        for (written, (user, password)) in cases {
            let management = ManagementUrl::parse(&format!("http://{written}@broker")).unwrap();
            assert_eq!((management.user.as_str(), management.password.as_str()), (user, password));
            let amqp = parse_amqp_url(&format!("amqp://{written}@broker")).unwrap().authority.userinfo;
            assert_eq!((management.user, management.password), (amqp.username, amqp.password));
        }
    }

    #[test]
    fn credentials_that_are_no_text_are_refused_in_both_urls() {
        for written in ["u:secret%ff", "%ff:secret", "u:secret%C3"] {
            let error = ManagementUrl::parse(&format!("http://{written}@broker")).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
            let error = parse_amqp_url(&format!("amqp://{written}@broker")).unwrap_err().to_string();
            assert!(!error.contains("secret"), "{error}");
        }
    }

    #[test]
    fn never_shows_the_password() {
        let url = ManagementUrl::parse("http://u:secret@broker").unwrap();
        assert!(!format!("{url:?}").contains("secret"));
        let error = parse_amqp_url("ftp://u:secret@broker").unwrap_err().to_string();
        assert!(!error.contains("secret"), "{error}");
        for bad in ["broker:15672", "http://", "http://nopassword@x", "http://u:p@x:port"] {
            assert!(ManagementUrl::parse(bad).is_err(), "{bad}");
        }
    }
}
