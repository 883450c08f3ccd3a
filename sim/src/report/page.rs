/// Text as it stands in HTML, in attributes too.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// A page that needs nothing else: no network, no file beside it.
pub fn page(title: &str, verdict: &str, holds: bool, body: &str) -> String {
    let (title, verdict) = (escape(title), escape(verdict));
    let class = if holds { "holds" } else { "broke" };
    format!(
        "<!doctype html>\n<html lang=en>\n<head>\n<meta charset=utf-8>\n<title>{title}</title>\n\
         <link rel=icon href=\"data:,\">\n<style>{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n\
         <p class=\"verdict {class}\">{verdict}</p>\n{body}\n</body>\n</html>\n"
    )
}

/// Light and dark by what the reader prefers.
const STYLE: &str = "
:root { color-scheme: light dark; --ink: #1c2430; --soft: #5d6a7c; --paper: #fff; --line: #d9dee6; --good: #157f3c;
  --bad: #c0262d; --warn: #b26a00; --a: #2563a8; --b: #8a4fb0; --band: #eef2f7; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4e9f0; --soft: #97a3b4; --paper: #12161c; --line: #2c3541;
  --good: #4cc27a; --bad: #ff6b70; --warn: #e7a64a; --a: #6cb0f5; --b: #c491e8; --band: #1b222b; } }
body { font: 14px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper); margin: 2rem; }
h1 { font-size: 1.4rem; margin: 0 0 .3rem; } h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
.verdict { font-size: 1.1rem; font-weight: 600; margin: 0 0 1rem; } .holds { color: var(--good); } .broke { color: var(--bad); }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: 6px; }
table { border-collapse: collapse; } td, th { padding: .15rem .6rem; text-align: left; border-bottom: 1px solid var(--line); }
td.number { text-align: right; font-variant-numeric: tabular-nums; } .soft { color: var(--soft); }
table.matrix td { padding: 0 .25rem; text-align: center; border: 1px solid var(--line); font: 12px monospace; }
table.matrix th { font-weight: 400; white-space: nowrap; } table.matrix th span { writing-mode: vertical-rl; }
td.completed { background: color-mix(in srgb, var(--good) 22%, var(--paper)); }
td.rolled-back { background: color-mix(in srgb, var(--warn) 25%, var(--paper)); }
td.failed { background: color-mix(in srgb, var(--b) 25%, var(--paper)); }
td.broken { background: var(--bad); color: #fff; } td.none { color: var(--soft); }
pre { white-space: pre-wrap; overflow-wrap: anywhere; background: var(--band); padding: .6rem; border-radius: 6px; }
svg text { fill: var(--ink); font: 12px system-ui, sans-serif; } svg .soft { fill: var(--soft); }
svg .grid { stroke: var(--line); } svg .lane { fill: var(--band); } svg .phase { fill: var(--a); opacity: .85; }
svg .phase.ended { fill: var(--good); } svg .phase.failed { fill: var(--bad); } svg .phase.back { fill: var(--warn); }
svg .phase-name { fill: #fff; } svg .fault { fill: var(--bad); opacity: .25; } svg .fault-mark { stroke: var(--bad); stroke-width: 2; }
svg .letter { stroke: var(--a); stroke-width: 1.3; } svg .letter.reply { stroke: var(--b); } svg .dot { fill: var(--a); }
svg .dot.reply { fill: var(--b); } svg .lag { stroke: var(--warn); fill: none; stroke-width: 2; }
svg .arrivals { stroke: var(--a); fill: none; } svg .applied { stroke: var(--good); fill: none; }
svg .broken { stroke: var(--bad); stroke-width: 2; stroke-dasharray: 4 3; } svg g:hover > .letter { stroke-width: 3; }
";
