//! The command line of `cargo sim`: one run, or many.

mod determinism;
mod lists;
mod mutants;
mod shape;

use std::{
    fmt::Write as _,
    io::{IsTerminal as _, Write as _},
    ops::Range,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail};
use clap::{Args, Parser, Subcommand};
use ms2m_app::seeded_bug;
use signal_hook::{consts::SIGINT, flag};

use self::{determinism::DeterminismArgs, mutants::MutantsArgs, shape::Shape};
use crate::{
    determinism::reexec_without_aslr,
    explore::{
        Child, Class, INTERRUPTED, Matrix, Part, Pool, Shrink, Sweep, Watched, end_with_parent, explain,
        is_supervised, save_plan, supervise,
    },
    plan::{FaultKind, Plan},
    report::{Failure, Style, html, render},
    world::{Tracing, points, run},
};

/// Migrations in a simulated world, deterministic by their plan.
///
/// Exit codes: 0 everything held, 1 a safety invariant broke, 3 a liveness invariant broke, 4 a run crashed or hung,
/// 5 a rare path was never reached, 130 a sweep was interrupted and all had held until then (or was interrupted twice), 2 the command makes no sense.
#[derive(Parser)]
#[command(name = "cargo sim", bin_name = "cargo sim")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Run one plan; exit code 0 only when every invariant of docs/protocol.md holds
    Run(RunArgs),
    /// Run many seeds, each with its own scenario and faults, each in a process of its own
    Sweep(SweepArgs),
    /// Every kind of fault at every step and every write and act of the operator; an outcome that is not the committed one is an
    /// error
    Matrix(MatrixArgs),
    /// Make a plan that breaks something as small as it can be, and still breaks the same
    Shrink {
        /// The plan, as a failure was saved, or a file of sim/corpus
        plan: PathBuf,
    },
    /// Tell what happened around the first broken invariant of a plan, and what each party believed
    Explain {
        /// The plan, as a failure was saved, or a file of sim/corpus
        plan: PathBuf,
    },
    /// Seed bugs, one at a time, and see that every one of them is caught
    Mutants(MutantsArgs),
    /// Print a plan as JSON, for `run --plan`
    Plan(Shape),
    /// Run each seed twice, in processes of their own, and show the first line of the trace that differs
    CheckDeterminism(DeterminismArgs),
    /// List the kinds of faults, and the steps at which they can strike, each with what it is
    Faults,
    /// List the mistakes that a user can make, each with what it is
    Mistakes,
}

#[derive(Args)]
struct RunArgs {
    #[command(flatten)]
    shape: Shape,
    /// Print one JSON object instead of the timeline
    #[arg(long)]
    json: bool,
    /// Print every line of the trace before the verdict
    #[arg(long, conflicts_with = "json")]
    trace: bool,
    /// Keep no trace, so that there is no hash of it either: faster
    #[arg(long, conflicts_with = "trace")]
    untraced: bool,
    /// Write the run as one HTML page
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    #[command(flatten)]
    failures: Failures,
}

#[derive(Args)]
struct Failures {
    /// Folder for the plans of failures
    #[arg(long = "failures", value_name = "FOLDER", default_value = "target/sim/failures")]
    folder: PathBuf,
}

#[derive(Args)]
struct SweepArgs {
    /// Seeds, such as `0..2000`; the end is not included. Where it is left out, as many as there is time for
    #[arg(long, value_parser = seeds, required_unless_present = "time")]
    seeds: Option<Range<u64>>,
    /// How many runs beside each other; as many as processors where it is left out
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: Option<u16>,
    /// Stop when so much time has passed, such as 10m
    #[arg(long, value_parser = duration)]
    time: Option<Duration>,
    /// Write the summary as one HTML page
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    #[command(flatten)]
    failures: Failures,
}

#[derive(Args)]
struct MatrixArgs {
    /// Only these kinds of faults; may be given several times
    #[arg(long, conflicts_with = "bless")]
    kind: Vec<FaultKind>,
    /// Write what comes as what is expected from now on
    #[arg(long)]
    bless: bool,
    /// The table that is expected
    #[arg(long, default_value = "sim/matrix.txt")]
    expected: PathBuf,
    /// Only a part of the cells, such as 2/6 for the second sixth of them
    #[arg(long, default_value_t = Part::ALL)]
    part: Part,
    /// Write the table as one HTML page
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    #[command(flatten)]
    failures: Failures,
    /// How many runs beside each other; as many as processors where it is left out
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=256))]
    jobs: Option<u16>,
}

fn seeds(text: &str) -> Result<Range<u64>, String> {
    let range = text.split_once("..").and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    range.filter(|range| !range.is_empty()).ok_or_else(|| "seeds are written like 0..10".to_owned())
}

fn duration(text: &str) -> Result<Duration, String> {
    let number =
        |suffix: char, factor: u64| text.strip_suffix(suffix)?.parse::<u64>().ok()?.checked_mul(factor);
    let seconds = number('s', 1).or_else(|| number('m', 60)).or_else(|| number('h', 3_600));
    seconds.map(Duration::from_secs).ok_or_else(|| "a time is written like 90s, 10m or 1h".to_owned())
}

/// The program.
pub fn main() -> ExitCode {
    let task = Cli::parse().task;
    if let Some(problem) = seeded_bug::not_to_be_had() {
        eprintln!("error: {problem}");
        return ExitCode::from(2);
    }
    // Addresses decide the order of some hash maps in libraries; a run must not depend on them.
    reexec_without_aslr();
    let result = match task.reproduced_with() {
        Some(command) if !is_supervised() => task.watched(&command),
        _ => task.run(),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::from(2)
        }
    }
}

impl Task {
    /// The command line that runs its one plan again; nothing where it runs none itself.
    fn reproduced_with(&self) -> Option<String> {
        match self {
            Self::Run(args) => Some(args.shape.command()),
            Self::Explain { plan } => Some(format!("cargo sim explain {}", plan.display())),
            _ => None,
        }
    }

    /// Does it in a process of its own, whose crash is one result among others. A run that fails leaves its plan.
    fn watched(&self, command: &str) -> anyhow::Result<u8> {
        let watched = supervise().context("the run cannot be started")?;
        if !matches!(watched, Watched::Ended(_)) {
            eprintln!("error: {watched}\n  REPRODUCE WITH: {command}");
        }
        let code = watched.code();
        let failed = [Class::Safety, Class::Liveness, Class::Crash].iter().any(|class| class.code() == code);
        if let Self::Run(args) = self
            && failed
            && !args.shape.is_saved()
        {
            let plan = args.shape.plan()?;
            eprintln!("  plan: {}", save_plan(&args.failures.folder, &args.shape.name(), &plan));
        }
        Ok(code)
    }

    /// Does it; the exit code.
    fn run(self) -> anyhow::Result<u8> {
        if is_supervised() {
            // Where that is not possible it ends all the same, only later.
            let _ = end_with_parent();
        }
        match self {
            Self::Run(args) => run_one(&args),
            Self::Sweep(args) => sweep(&args),
            Self::Matrix(args) => matrix(&args),
            Self::Shrink { plan } => shrink(&plan),
            Self::Explain { plan } => tell(&plan),
            Self::Mutants(args) => args.run(),
            Self::Plan(shape) => shape.plan().and_then(|plan| print(&plan.to_json())).map(|()| 0),
            Self::CheckDeterminism(args) => args.run(),
            Self::Faults => print(&lists::faults()).map(|()| 0),
            Self::Mistakes => print(&lists::mistakes()).map(|()| 0),
        }
    }
}

fn print(text: &str) -> anyhow::Result<()> {
    std::io::stdout().write_all(text.as_bytes()).context("standard output was closed")
}

fn run_one(args: &RunArgs) -> anyhow::Result<u8> {
    let plan = args.shape.plan()?;
    can_be_written(args.report.as_deref())?;
    let verdict = run(plan.clone(), if args.untraced { Tracing::Off } else { Tracing::On });
    if let Some(file) = &args.report {
        write(file, &html(&verdict, &plan, &args.shape.command())?)?;
    }
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
    Ok(match verdict.failure() {
        None => Class::Holds,
        Some(Failure::Safety) => Class::Safety,
        Some(Failure::Liveness) => Class::Liveness,
    }
    .code())
}

/// Says so before it takes an hour to have something to write; a report that is there already stays until then.
fn can_be_written(report: Option<&Path>) -> anyhow::Result<()> {
    let Some(file) = report else { return Ok(()) };
    let is_new = !file.exists();
    let opened = std::fs::OpenOptions::new().append(true).create(true).open(file);
    opened.with_context(|| format!("{} cannot be written", file.display()))?;
    if is_new {
        // Whether it can be removed changes nothing about whether it can be written.
        let _ = std::fs::remove_file(file);
    }
    Ok(())
}

fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    std::fs::write(file, text).with_context(|| format!("{} cannot be written", file.display()))
}

fn matrix(args: &MatrixArgs) -> anyhow::Result<u8> {
    let scratch = std::env::temp_dir().join(format!("ms2m-matrix-{}", std::process::id()));
    if args.bless && args.part != Part::ALL {
        bail!("only the whole matrix can be blessed: leave out --part {}", args.part);
    }
    let expected = if args.bless { None } else { Some(committed(&args.expected)?) };
    can_be_written(args.report.as_deref())?;
    let pool = Pool::new(args.jobs.map(usize::from));
    let kinds = if args.kind.is_empty() { FaultKind::all() } else { args.kind.clone() };
    let matrix = Matrix::run(&Child::this_program()?, &kinds, args.part, &scratch, pool);
    // Whether it can be removed changes nothing about what came.
    let _ = std::fs::remove_dir_all(&scratch);
    let matrix = matrix.context("the plans cannot be written")?;
    let table = matrix.render();
    print(&table)?;
    if let Some(file) = &args.report {
        write(file, &matrix.html(&matrix_command(args))?)?;
    }
    let broken = matrix.save_broken(&args.failures.folder);
    for cell in &broken {
        println!("BROKEN {cell}");
    }
    let Some(expected) = expected else {
        if broken.is_empty() {
            write(&args.expected, &table)?;
        }
        return Ok(u8::from(!broken.is_empty()));
    };
    let differs = matrix.differences(&expected);
    for cell in &differs {
        println!("NOT EXPECTED {cell}");
    }
    println!("{} cells, {} broken, {} not as expected", matrix.len(), broken.len(), differs.len());
    Ok(u8::from(!broken.is_empty() || !differs.is_empty()))
}

/// The table that is expected.
fn committed(file: &Path) -> anyhow::Result<Matrix> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("{}: `cargo sim matrix --bless` writes it", file.display()))?;
    Matrix::parse(&text).with_context(|| file.display().to_string())
}

fn matrix_command(args: &MatrixArgs) -> String {
    let kinds = args.kind.iter().map(|kind| format!(" --kind {kind}"));
    let part = (args.part != Part::ALL).then(|| format!(" --part {}", args.part));
    std::iter::once("cargo sim matrix".to_owned()).chain(kinds).chain(part).collect()
}

fn shrink(file: &Path) -> anyhow::Result<u8> {
    let plan = Plan::load(file)?;
    let smaller = file.with_extension("min.json");
    let child = Child::this_program()?;
    let scratch = std::env::temp_dir().join(format!("ms2m-shrink-{}.json", std::process::id()));
    let shrunk = Shrink::run(|plan| child.saved(plan, &scratch, 0), &plan, |what| println!("{what}"));
    let _ = std::fs::remove_file(&scratch);
    let shrunk = shrunk?;
    write(&smaller, &shrunk.plan.to_json())?;
    for fault in &shrunk.plan.faults {
        println!("  {fault}");
    }
    let (breaks, tried) = (&shrunk.breaks, shrunk.tried);
    println!("{} breaks {breaks} (found in {tried} runs)\n  cargo sim explain {0}", smaller.display());
    Ok(0)
}

fn tell(file: &Path) -> anyhow::Result<u8> {
    let plan = Plan::load(file)?;
    let verdict = run(plan.clone(), Tracing::Off);
    print(&explain(&plan, &verdict))?;
    Ok(u8::from(!verdict.holds()))
}

fn sweep(args: &SweepArgs) -> anyhow::Result<u8> {
    let sweep = Sweep {
        seeds: args.seeds.clone().unwrap_or(Sweep::ALL),
        pool: Pool::new(args.jobs.map(usize::from)),
        time: args.time,
        failures: args.failures.folder.clone(),
        interrupt: Arc::default(),
    };
    can_be_written(args.report.as_deref())?;
    // The first Ctrl-C asks for an end, the second makes one.
    flag::register_conditional_shutdown(SIGINT, INTERRUPTED.into(), sweep.interrupt.clone())?;
    flag::register(SIGINT, sweep.interrupt.clone())?;
    let child = Child::this_program()?;
    let swept = sweep.run(|seed, worker| child.seed(seed, worker), |failure| println!("{failure}"));
    let points = points();
    print(&swept.render(&points))?;
    if let Some(file) = &args.report {
        write(file, &swept.html(&points, &sweep.command())?)?;
    }
    Ok(swept.code(&points))
}
