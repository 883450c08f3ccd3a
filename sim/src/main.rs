//! `cargo sim`: one run, or the same run twice.

use std::{
    fmt::Write as _,
    io::{IsTerminal as _, Write as _},
    ops::Range,
    process::{Command, ExitCode},
};

use anyhow::{Context as _, bail};
use clap::{Args, Parser, Subcommand};
use ms2m_sim::{
    determinism,
    report::{Style, render},
    world::{Fault, Mistake, Scenario, run},
};

/// A migration in a simulated world, deterministic by its seed.
#[derive(Parser)]
#[command(name = "cargo sim", bin_name = "cargo sim")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run one migration under traffic; exit code 0 only when every invariant of docs/protocol.md holds
    Run(RunArgs),
    /// Run each seed twice, in processes of their own, and show the first line of the trace that differs
    CheckDeterminism {
        /// Seeds, such as `0..10`; the end is not included
        #[arg(long, value_parser = seeds)]
        seeds: Range<u64>,
        #[command(flatten)]
        shape: Shape,
    },
    /// Run many seeds, each in a process of its own; one line each
    Seeds {
        /// Seeds, such as `0..100`; the end is not included
        #[arg(long, value_parser = seeds)]
        seeds: Range<u64>,
        #[command(flatten)]
        shape: Shape,
    },
    /// List the faults
    Faults,
    /// List the mistakes
    Mistakes,
}

#[derive(Args)]
struct RunArgs {
    /// What all randomness is drawn from
    #[arg(long, default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    shape: Shape,
    /// Print one JSON object instead of the timeline
    #[arg(long)]
    json: bool,
    /// Print every line of the trace before the verdict
    #[arg(long, conflicts_with = "json")]
    trace: bool,
}

/// What a run is made of.
#[derive(Args, Clone)]
struct Shape {
    /// Messages per second, of all producers together
    #[arg(long, default_value_t = 10.0, value_parser = rate)]
    rate: f64,
    /// How many producers publish
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    producers: u32,
    /// What is broken on purpose; `random` takes one by the seed, and `cargo sim faults` lists them
    #[arg(long)]
    fault: Option<String>,
    /// What the user got wrong; `cargo sim mistakes` lists them
    #[arg(long)]
    mistake: Option<Mistake>,
}

impl Shape {
    fn scenario(&self, seed: u64) -> anyhow::Result<Scenario> {
        let scenario = Scenario {
            rate: self.rate,
            producers: self.producers,
            mistake: self.mistake,
            ..Scenario::new(seed)
        };
        Ok(match self.fault.as_deref() {
            None => scenario,
            Some("random") => {
                let all = Fault::all();
                // A multiplicative hash: neighbouring seeds take unlike faults.
                let pick = usize::try_from(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 33)? % all.len();
                scenario.with_fault(all[pick])
            }
            Some(name) => scenario.with_fault(name.parse()?),
        })
    }

    fn args(&self) -> Vec<String> {
        let mut args = vec![format!("--rate={}", self.rate), format!("--producers={}", self.producers)];
        args.extend(self.fault.as_ref().map(|fault| format!("--fault={fault}")));
        args.extend(self.mistake.map(|mistake| format!("--mistake={mistake}")));
        args
    }
}

fn rate(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(rate) if (0.1..=10_000.0).contains(&rate) => Ok(rate),
        _ => Err("a rate is between 0.1 and 10000 messages per second".to_owned()),
    }
}

fn seeds(text: &str) -> Result<Range<u64>, String> {
    let range = text.split_once("..").and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    range.filter(|range| !range.is_empty()).ok_or_else(|| "seeds are written like 0..10".to_owned())
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    // Addresses decide the order of some hash maps in libraries; a run must not depend on them.
    determinism::reexec_without_aslr();
    let result = match cli.task {
        Task::Run(args) => run_one(&args),
        Task::CheckDeterminism { seeds, shape } => check_determinism(seeds, &shape),
        Task::Seeds { seeds, shape } => run_many(seeds, &shape),
        Task::Faults => list(Fault::all()),
        Task::Mistakes => list(Mistake::ALL),
    };
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn print(text: &str) -> anyhow::Result<()> {
    std::io::stdout().write_all(text.as_bytes()).context("standard output was closed")
}

fn run_one(args: &RunArgs) -> anyhow::Result<bool> {
    let verdict = run(&args.shape.scenario(args.seed)?);
    if args.json {
        print(&format!("{}\n", serde_json::to_string(&verdict)?))?;
    } else {
        let style = if std::io::stdout().is_terminal() { Style::Colour } else { Style::Plain };
        let mut text = String::new();
        if args.trace {
            for line in &verdict.trace {
                writeln!(text, "{line}")?;
            }
        }
        text.push_str(&render(&verdict, style));
        print(&text)?;
    }
    Ok(verdict.holds())
}

/// The trace of a run in a process of its own, its last line the verdict's hash.
fn trace_of(seed: u64, shape: &Shape) -> anyhow::Result<Vec<String>> {
    let output = Command::new(std::env::current_exe()?)
        .args(["run", "--trace", &format!("--seed={seed}")])
        .args(shape.args())
        .output()
        .context("the run cannot be started")?;
    let text = String::from_utf8_lossy(&output.stdout);
    // Real time is in the report, and differs.
    let lines = text.lines().map(|line| line.split(" · trace ").next().unwrap_or(line).to_owned());
    if output.status.code().is_none_or(|code| code > 1) {
        bail!("seed {seed} ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr));
    }
    Ok(lines.collect())
}

fn check_determinism(seeds: Range<u64>, shape: &Shape) -> anyhow::Result<bool> {
    let mut same = true;
    for seed in seeds {
        let (first, second) = (trace_of(seed, shape)?, trace_of(seed, shape)?);
        let differs = first.iter().zip(&second).position(|(a, b)| a != b);
        let differs =
            differs.or_else(|| (first.len() != second.len()).then(|| first.len().min(second.len())));
        match differs {
            None => print(&format!("seed {seed}: {} lines, identical\n", first.len()))?,
            Some(at) => {
                same = false;
                let line = |lines: &[String]| lines.get(at).cloned().unwrap_or_else(|| "(ended)".to_owned());
                let text = format!(
                    "seed {seed}: line {} differs\n  first   {}\n  second  {}\n",
                    at + 1,
                    line(&first),
                    line(&second)
                );
                print(&text)?;
            }
        }
    }
    Ok(same)
}

fn run_many(seeds: Range<u64>, shape: &Shape) -> anyhow::Result<bool> {
    let (mut held, mut broken) = (0_u64, Vec::new());
    for seed in seeds {
        let output = Command::new(std::env::current_exe()?)
            .args(["run", "--json", &format!("--seed={seed}")])
            .args(shape.args())
            .output()
            .context("the run cannot be started")?;
        let line = String::from_utf8_lossy(&output.stdout);
        let summary = match serde_json::from_str::<serde_json::Value>(&line) {
            Ok(verdict) => format!(
                "{} {}, published {}, lost {}, pause {} ms, {} ms of real time",
                verdict["outcome"].as_str().unwrap_or("?"),
                verdict["fault"].as_str().unwrap_or("without a fault"),
                verdict["published"],
                verdict["lost"],
                verdict["pause_ms"],
                verdict["wall_ms"],
            ),
            Err(_) => format!("crashed: {}", String::from_utf8_lossy(&output.stderr)),
        };
        if output.status.success() {
            held += 1;
            print(&format!("seed {seed}: {summary}\n"))?;
        } else {
            broken.push(seed);
            let reproduce = shape.args().join(" ");
            print(&format!(
                "seed {seed}: BROKEN {summary}\n  REPRODUCE WITH: cargo sim run --seed={seed} {reproduce}\n"
            ))?;
        }
    }
    print(&format!("{held} hold, {} broken {broken:?}\n", broken.len()))?;
    Ok(broken.is_empty())
}

fn list(names: impl IntoIterator<Item = impl ToString>) -> anyhow::Result<bool> {
    for name in names {
        print(&format!("{}\n", name.to_string()))?;
    }
    Ok(true)
}
