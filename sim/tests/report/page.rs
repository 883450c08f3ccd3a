//! A page in a browser, as a person uses it: looks, points, clicks, types.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};

use super::chromium::Chromium;

/// What the reader's system prefers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Theme {
    Light,
    Dark,
}

impl Theme {
    pub(super) const ALL: [Self; 2] = [Self::Light, Self::Dark];

    fn name(self) -> &'static str {
        match self {
            Self::Light => "light",
            Self::Dark => "dark",
        }
    }
}

pub(super) struct Page<'a> {
    chromium: &'a mut Chromium,
    session: String,
    address: String,
    name: String,
}

/// What a screenshot shows.
pub(super) struct Picture {
    /// Where it is, for whoever wants to look at it.
    pub(super) file: PathBuf,
    /// How many different colours there are.
    pub(super) colours: usize,
    /// The most frequent colour.
    pub(super) paper: [u8; 3],
}

impl<'a> Page<'a> {
    /// Opens a file in a tab of its own, and waits until it has drawn.
    pub(super) fn open(chromium: &'a mut Chromium, file: &Path, theme: Theme, width: u32) -> Self {
        let session = chromium.tab();
        let address = format!("file://{}", file.display());
        let stem = file.file_stem().expect("a file has a name").to_string_lossy();
        let name = format!("{stem}-{}-{width}", theme.name());
        let mut page = Self { chromium, session, address, name };
        for domain in ["Page", "Runtime", "Log", "Network"] {
            page.call(&format!("{domain}.enable"), &json!({}));
        }
        let size = json!({ "width": width, "height": 1_100, "deviceScaleFactor": 1, "mobile": false });
        page.call("Emulation.setDeviceMetricsOverride", &size);
        let prefers = json!({ "features": [{ "name": "prefers-color-scheme", "value": theme.name() }] });
        page.call("Emulation.setEmulatedMedia", &prefers);
        let navigate = json!({ "url": page.address });
        page.call("Page.navigate", &navigate);
        page.chromium.wait_for(&page.session, "Page.loadEventFired");
        page.drawn();
        page
    }

    fn call(&mut self, method: &str, params: &Value) -> Value {
        self.chromium.call(Some(&self.session), method, params)
    }

    /// The value of an expression, or of what it promises.
    pub(super) fn value(&mut self, expression: &str) -> Value {
        self.chromium.value(&self.session, expression)
    }

    pub(super) fn text(&mut self, selector: &str) -> String {
        let expression = format!("document.querySelector({selector:?})?.innerText ?? null");
        let text = self.value(&expression);
        text.as_str().unwrap_or_else(|| panic!("there is no {selector}")).to_owned()
    }

    pub(super) fn texts(&mut self, selector: &str) -> Vec<String> {
        let all = format!("[...document.querySelectorAll({selector:?})].map((one) => one.textContent)");
        self.strings(&all)
    }

    pub(super) fn strings(&mut self, expression: &str) -> Vec<String> {
        serde_json::from_value(self.value(expression)).expect("a list of strings")
    }

    /// Waits until what was changed is drawn: a frame for the change, and one more for what follows from its sizes.
    pub(super) fn drawn(&mut self) {
        self.value(
            "new Promise((then) => requestAnimationFrame(() => requestAnimationFrame(() => then(true))))",
        );
    }

    /// A point of an element where nothing else lies above it, of the first element that has one.
    fn point_of(&mut self, selector: &str) -> (f64, f64) {
        let point = self.value(&format!(
            "(() => {{
              for (const element of document.querySelectorAll({selector:?})) {{
                element.scrollIntoView({{ block: 'center', behavior: 'instant' }});
                const box = element.getBoundingClientRect();
                for (let part = 1; part < 40; part++) {{
                  const [x, y] = [box.left + (box.width * part) / 40, box.top + box.height / 2];
                  if (element.contains(document.elementFromPoint(x, y))) return [x, y];
                }}
              }}
              return null;
            }})()"
        ));
        let (x, y) = (point[0].as_f64(), point[1].as_f64());
        x.zip(y).unwrap_or_else(|| panic!("no {selector} can be pointed at"))
    }

    fn mouse(&mut self, kind: &str, (x, y): (f64, f64)) {
        let button = if kind == "mouseMoved" { "none" } else { "left" };
        let event = json!({ "type": kind, "x": x, "y": y, "button": button, "clickCount": 1 });
        self.call("Input.dispatchMouseEvent", &event);
    }

    /// Moves the pointer over an element.
    pub(super) fn hover(&mut self, selector: &str) {
        let point = self.point_of(selector);
        self.mouse("mouseMoved", point);
        self.drawn();
    }

    pub(super) fn click(&mut self, selector: &str) {
        let point = self.point_of(selector);
        self.mouse("mouseMoved", point);
        self.mouse("mousePressed", point);
        self.mouse("mouseReleased", point);
        self.drawn();
    }

    /// Presses on an element, moves so many pixels to the right, and lets go.
    pub(super) fn drag(&mut self, selector: &str, right: f64) {
        let (x, y) = self.point_of(selector);
        self.mouse("mouseMoved", (x, y));
        self.mouse("mousePressed", (x, y));
        for part in 1..=4 {
            self.mouse("mouseMoved", (x + right * f64::from(part) / 4.0, y));
        }
        self.mouse("mouseReleased", (x + right, y));
        self.drawn();
    }

    /// Gives an element the focus, and presses a key: a letter, a sign, or a name such as `ArrowDown`.
    pub(super) fn press(&mut self, selector: &str, key: &str) {
        self.value(&format!("document.querySelector({selector:?}).focus()"));
        let mut event = json!({ "type": "keyDown", "key": key });
        if key.chars().count() == 1 {
            event["text"] = json!(key);
        }
        self.call("Input.dispatchKeyEvent", &event);
        self.call("Input.dispatchKeyEvent", &json!({ "type": "keyUp", "key": key }));
        self.drawn();
    }

    /// Takes a picture of the whole page.
    pub(super) fn picture(&mut self) -> Picture {
        let params = json!({ "format": "png", "captureBeyondViewport": true });
        let taken = self.call("Page.captureScreenshot", &params);
        let encoded = taken["data"].as_str().expect("a picture");
        let bytes = STANDARD.decode(encoded).expect("base64");
        let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{}.png", self.name));
        fs::write(&file, bytes).expect("a picture can be written");
        let counted = self.chromium.blank_value(&format!(
            "(async () => {{
              const image = new Image();
              image.src = 'data:image/png;base64,{encoded}';
              await image.decode();
              const canvas = new OffscreenCanvas(image.width, image.height).getContext('2d');
              canvas.drawImage(image, 0, 0);
              const counts = new Map();
              for (const pixel of new Uint32Array(canvas.getImageData(0, 0, image.width, image.height).data.buffer)) {{
                counts.set(pixel, (counts.get(pixel) ?? 0) + 1);
              }}
              const [most] = [...counts].reduce((a, b) => (a[1] > b[1] ? a : b));
              return {{ colours: counts.size, paper: [most & 255, (most >> 8) & 255, (most >> 16) & 255] }};
            }})()"
        ));
        let colours = usize::try_from(counted["colours"].as_u64().expect("a number")).expect("a small one");
        let paper = serde_json::from_value(counted["paper"].clone()).expect("three numbers");
        Picture { file, colours, paper }
    }

    /// What the console says, exceptions and refused loads included.
    pub(super) fn complaints(&self) -> Vec<String> {
        let events = self.chromium.events(&self.session);
        let complaints = events.filter(|event| {
            matches!(
                event["method"].as_str(),
                Some("Runtime.exceptionThrown" | "Runtime.consoleAPICalled" | "Log.entryAdded")
            )
        });
        complaints.map(|event| event["params"].to_string()).collect()
    }

    /// What was asked for beside the page itself.
    pub(super) fn requests(&self) -> BTreeSet<String> {
        let events = self.chromium.events(&self.session);
        let asked = events.filter(|event| event["method"] == "Network.requestWillBeSent");
        let addresses = asked.filter_map(|event| event["params"]["request"]["url"].as_str());
        addresses.filter(|url| *url != self.address && !url.starts_with("data:")).map(str::to_owned).collect()
    }
}
