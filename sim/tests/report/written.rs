//! Reports as files: what `cargo sim` writes.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use super::{
    chromium::Chromium,
    page::{Page, Theme},
};

/// Wide and narrow windows.
const WIDTHS: [u32; 2] = [1_500, 480];
/// A page that is blank has a few colours, one with text alone a few dozen.
const COLOURS_MIN: usize = 150;

/// Runs `cargo sim` so that it writes a report of that name.
pub(super) fn report(name: &str, arguments: &[&str]) -> PathBuf {
    let file = file(name);
    let status = Command::new(env!("CARGO_BIN_EXE_ms2m-sim"))
        .args(arguments)
        .arg("--report")
        .arg(&file)
        // Where its tables are.
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .stdout(std::process::Stdio::null())
        .status()
        .unwrap();
    // What it found is not the matter here, but it must have run.
    assert!(file.exists(), "{arguments:?}: {status}");
    file
}

/// A file that does not exist yet.
pub(super) fn file(name: &str) -> PathBuf {
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("report-{name}.html"));
    let _ = fs::remove_file(&file);
    file
}

/// Looks at a page in light and dark, wide and narrow: it is drawn, says nothing to the console, asks for nothing, is
/// readable, and no wider than its window.
pub(super) fn looks_right(chromium: &mut Chromium, file: &Path) {
    for theme in Theme::ALL {
        for width in WIDTHS {
            let mut page = Page::open(chromium, file, theme, width);
            let picture = page.picture();
            let shown = picture.file.display();
            assert!(picture.colours >= COLOURS_MIN, "{shown} has {} colours", picture.colours);
            let brightness = picture.paper.iter().map(|part| u32::from(*part)).sum::<u32>() / 3;
            assert_eq!(brightness > 127, theme == Theme::Light, "{shown} is on {:?}", picture.paper);
            let overflow = page.value("document.documentElement.scrollWidth - innerWidth").as_i64();
            assert!(overflow.is_some_and(|pixels| pixels <= 0), "{shown} is {overflow:?} pixels too wide");
            let contrasts = contrasts(&mut page);
            assert!(contrasts.iter().all(|(_, ratio)| *ratio >= 4.5), "{shown}: {contrasts:?}");
            assert_eq!(page.complaints(), [""; 0], "{shown}");
            assert_eq!(page.requests(), BTreeSet::new(), "{shown}");
        }
    }
}

/// The contrast of each colour of text with each ground that it stands on (WCAG 2.2, 1.4.3 asks for 4.5).
fn contrasts(page: &mut Page<'_>) -> Vec<(String, f64)> {
    let ratios = page.value(
        "(() => {
          const probe = document.body.appendChild(document.createElement('i'));
          const luminance = (name) => {
            probe.style.color = `var(--${name})`;
            const parts = getComputedStyle(probe).color.match(/[\\d.]+/g).slice(0, 3).map((part) => part / 255);
            const linear = parts.map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
            return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
          };
          const pairs = ['ink', 'soft', 'command', 'reply', 'good', 'warn', 'bad'].flatMap((ink) => ['paper', 'band'].map((paper) => {
            const [a, b] = [luminance(ink), luminance(paper)];
            return [`${ink} on ${paper}`, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)];
          }));
          probe.remove();
          return pairs;
        })()",
    );
    serde_json::from_value(ratios).unwrap()
}
