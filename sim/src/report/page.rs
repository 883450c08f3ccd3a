use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// The frame of every page.
const TEMPLATE: &str = include_str!("html/page.html");

const STYLE: &str = concat!(
    include_str!("html/style/theme.css"),
    include_str!("html/style/page.css"),
    include_str!("html/style/table.css"),
    include_str!("html/style/timeline.css"),
    include_str!("html/style/matrix.css"),
);

/// What every page does.
const SHARED: &str = concat!(
    include_str!("html/script/dom.js"),
    include_str!("html/script/theme.js"),
    include_str!("html/script/copy.js"),
    include_str!("html/script/time.js"),
    include_str!("html/script/table.js"),
    include_str!("html/script/tooltip.js"),
);

const RUN: &str = concat!(
    include_str!("html/script/run/events.js"),
    include_str!("html/script/run/view.js"),
    include_str!("html/script/run/lanes.js"),
    include_str!("html/script/run/axis.js"),
    include_str!("html/script/run/phases.js"),
    include_str!("html/script/run/processes.js"),
    include_str!("html/script/run/faults.js"),
    include_str!("html/script/run/letters.js"),
    include_str!("html/script/run/plot.js"),
    include_str!("html/script/run/brush.js"),
    include_str!("html/script/run/timeline.js"),
    include_str!("html/script/run/details.js"),
    include_str!("html/script/run/list.js"),
    include_str!("html/script/run/summary.js"),
    include_str!("html/script/run/main.js"),
);

/// What a page is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// One run.
    Run,
    /// Many seeds.
    Sweep,
    /// Every fault at every step.
    Matrix,
}

impl Subject {
    fn script(self) -> &'static str {
        match self {
            Self::Run => RUN,
            Self::Sweep => include_str!("html/script/sweep.js"),
            Self::Matrix => include_str!("html/script/matrix.js"),
        }
    }

    fn class(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Sweep => "sweep",
            Self::Matrix => "matrix",
        }
    }
}

/// A page that needs nothing else: no network, no file beside it.
#[derive(Clone, Debug)]
pub(crate) struct Page {
    /// What it is about.
    pub subject: Subject,
    /// Its title.
    pub title: String,
    /// How it went, in a line.
    pub verdict: String,
    /// Whether that is good.
    pub holds: bool,
    /// The command line that does it again.
    pub command: String,
}

impl Page {
    /// The page with its data, which its script draws.
    ///
    /// Nothing but its own script and style may run or load: the policy names them by their hashes.
    pub(crate) fn render(&self, data: &impl Serialize) -> serde_json::Result<String> {
        let script = format!("(() => {{\n\"use strict\";\n{SHARED}{}}})();\n", self.subject.script());
        // A `<` in a string could end the element that the data stands in.
        let data = serde_json::to_string(data)?.replace('<', "\\u003c");
        let (class, mark) = if self.holds { ("holds", "✔") } else { ("broke", "✘") };
        let fields = [
            ("title", escape(&self.title)),
            ("verdict", escape(&self.verdict)),
            ("command", escape(&self.command)),
            ("subject", self.subject.class().to_owned()),
            ("class", class.to_owned()),
            ("mark", mark.to_owned()),
            ("script-hash", hash(&script)),
            ("style-hash", hash(STYLE)),
            ("style", STYLE.to_owned()),
            ("script", script),
            ("data", data),
        ];
        let mut page = String::new();
        // Field by field, so that what is put in is not looked through again.
        for (index, part) in TEMPLATE.split("{{").enumerate() {
            match part.split_once("}}").filter(|_| index > 0) {
                Some((name, rest)) => {
                    let known = fields.iter().find(|(known, _)| *known == name);
                    page.push_str(known.map_or(name, |(_, value)| value));
                    page.push_str(rest);
                }
                None => page.push_str(part),
            }
        }
        Ok(page)
    }
}

/// Text as it stands in HTML, in attributes too.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// What a Content Security Policy calls the text of an inline script or style by (CSP level 3, 2.3.1).
fn hash(text: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(Sha256::digest(text)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(subject: Subject, data: &str) -> String {
        let (title, verdict) = ("a <b>".to_owned(), "{{data}}".to_owned());
        Page { subject, title, verdict, holds: true, command: "cargo \"sim\"".to_owned() }
            .render(&data)
            .unwrap()
    }

    #[test]
    fn data_cannot_end_its_element() {
        let page = page(Subject::Run, "</script><script>alert(1)</script>");
        assert_eq!(page.matches("</script>").count(), 2, "the data's and the script's own");
        assert!(!page.contains("alert(1)</script>"));
    }

    #[test]
    fn what_is_put_in_is_escaped_and_not_looked_through_again() {
        let page = page(Subject::Sweep, "x");
        assert!(page.contains("<title>a &lt;b&gt;</title>"));
        assert!(page.contains("cargo &quot;sim&quot;"));
        assert!(page.contains("{{data}}"), "the verdict, as it was given");
    }

    #[test]
    fn every_page_names_its_script_and_style_and_loads_nothing() {
        for subject in [Subject::Run, Subject::Sweep, Subject::Matrix] {
            let page = page(subject, "x");
            let between = |from: &str, to: &str| {
                let rest = &page[page.find(from).unwrap() + from.len()..];
                rest[..rest.find(to).unwrap()].to_owned()
            };
            let policy = between("http-equiv=\"Content-Security-Policy\" content=\"", "\"");
            assert!(policy.starts_with("default-src 'none'"), "{policy}");
            assert!(policy.contains(&hash(&between("<script>", "</script>"))), "{policy}");
            assert!(policy.contains(&hash(&between("<style>", "</style>"))), "{policy}");
            let addresses = page.replace("http://www.w3.org/2000/svg", "");
            assert!(!addresses.contains("http://") && !addresses.contains("https://"));
        }
    }
}
