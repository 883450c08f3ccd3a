//! A headless Chromium, driven by the `DevTools` protocol over a socket that it inherits: no port, no driver, no library.
//!
//! <https://chromedevtools.github.io/devtools-protocol/>; `--remote-debugging-pipe` reads from file descriptor 3 and writes
//! to 4, a zero byte after each message.

use std::{
    io::{BufRead as _, BufReader, Write as _},
    os::{fd::OwnedFd, unix::net::UnixStream},
    process::{Child, Command, Stdio},
    time::Duration,
};

use serde_json::{Value, json};
use tempfile::TempDir;

/// The program; scripts/with-chromium.sh sets it.
const PROGRAM: &str = "MS2M_TEST_CHROMIUM";
/// How long an answer or an event may take on a machine that is busy.
const DEADLINE: Duration = Duration::from_mins(1);

pub(super) struct Chromium {
    process: Child,
    socket: BufReader<UnixStream>,
    last_id: u64,
    /// What it told without being asked, in order.
    events: Vec<Value>,
    /// Its files, which go with it.
    _home: TempDir,
}

impl Chromium {
    /// Starts one; none where no program is named, and then it says which test is skipped.
    pub(super) fn start(test: &str) -> Option<Self> {
        let Ok(program) = std::env::var(PROGRAM) else {
            // Past the harness, which swallows what a passing test prints.
            let _ = writeln!(
                std::io::stderr(),
                "skipped {test}: {PROGRAM} is not set (scripts/with-chromium.sh sets it)"
            );
            return None;
        };
        let home = tempfile::tempdir().expect("a folder can be made");
        let (ours, theirs) = UnixStream::pair().expect("a pair of sockets");
        ours.set_read_timeout(Some(DEADLINE)).expect("a socket has a timeout");
        let process = Command::new("sh")
            .args(["-c", r#"exec "$0" "$@" 3<&0 4<&0 < /dev/null"#, &program])
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
            ])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--hide-scrollbars", "--remote-debugging-pipe"])
            .arg(format!("--user-data-dir={}", home.path().display()))
            .env("HOME", home.path())
            .stdin(Stdio::from(OwnedFd::from(theirs)))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        Some(Self { process, socket: BufReader::new(ours), last_id: 0, events: Vec::new(), _home: home })
    }

    /// Calls a method, and waits for its result.
    pub(super) fn call(&mut self, session: Option<&str>, method: &str, params: &Value) -> Value {
        self.last_id += 1;
        let id = self.last_id;
        let mut message = json!({ "id": id, "method": method, "params": params });
        if let Some(session) = session {
            message["sessionId"] = json!(session);
        }
        let mut bytes = message.to_string().into_bytes();
        bytes.push(0);
        self.socket.get_mut().write_all(&bytes).expect("Chromium listens");
        loop {
            let mut answer = self.read();
            if answer["id"] == id {
                assert!(answer["error"].is_null(), "{method}: {}", answer["error"]);
                return answer["result"].take();
            }
            self.events.push(answer);
        }
    }

    /// Opens an empty tab: the id of its session.
    pub(super) fn tab(&mut self) -> String {
        let target = self.call(None, "Target.createTarget", &json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        let attached = self.call(None, "Target.attachToTarget", &attach);
        attached["sessionId"].as_str().expect("a session has an id").to_owned()
    }

    /// The value of an expression in a tab, or of what it promises.
    pub(super) fn value(&mut self, session: &str, expression: &str) -> Value {
        let params = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let mut answer = self.call(Some(session), "Runtime.evaluate", &params);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {}", answer["exceptionDetails"]);
        answer["result"]["value"].take()
    }

    /// The same in an empty tab, which has no policy of its own.
    pub(super) fn blank_value(&mut self, expression: &str) -> Value {
        let tab = self.tab();
        self.value(&tab, expression)
    }

    /// Waits for an event that has not come yet.
    pub(super) fn wait_for(&mut self, session: &str, method: &str) {
        loop {
            let event = self.read();
            let is_it = event["method"] == method && event["sessionId"] == session;
            self.events.push(event);
            if is_it {
                return;
            }
        }
    }

    /// What was told in a session so far.
    pub(super) fn events<'a>(&'a self, session: &'a str) -> impl Iterator<Item = &'a Value> {
        self.events.iter().filter(move |event| event["sessionId"] == session)
    }

    fn read(&mut self) -> Value {
        let mut bytes = Vec::new();
        self.socket.read_until(0, &mut bytes).expect("Chromium answers in time");
        assert_eq!(bytes.pop(), Some(0), "Chromium has ended");
        serde_json::from_slice(&bytes).expect("Chromium speaks JSON")
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        // It has nothing to save, and its own children end with it.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
