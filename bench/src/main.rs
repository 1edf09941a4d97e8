//! The command `deltamote-bench`: arguments in, reports out.

mod evidence;

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand, ValueEnum};

use deltamote_bench::corpus::{self, Corpus, Pair};
use deltamote_bench::device;
use deltamote_bench::peers::own::Own;
use deltamote_bench::peers::{self, Peer, Wanted, described, trial};
use deltamote_bench::record::Record;
use deltamote_bench::report::{self, Report, Setup};
use deltamote_bench::setting::{Level, Setting, parse_profile};
use deltamote_bench::{fetch, measure, registry, runs, sizes, targets, train};
use deltamote_format::Profile;
use regex_lite::Regex;

/// Measure Deltamote on real firmware.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Get the images of the corpora through package clients, and check them.
    Fetch(FetchArguments),
    /// Make, apply and compare a patch for every pair of a corpus; print sizes beside peers.
    Sizes(SizesArguments),
    /// Train the initial states of the models.
    Train(TrainArguments),
    /// Measure the device half on emulated boards: text, memory, instructions, flash work.
    Device(DeviceArguments),
    /// A/B boot on an emulated board: version 1 updates itself to version 2, and is back
    /// when version 2 fails.
    Boot(BootArguments),
    #[command(flatten)]
    Evidence(evidence::Command),
    /// Measure one patch and print its figures as JSON (what `sizes` starts per patch).
    #[command(hide = true)]
    Measure(MeasureArguments),
    /// Run one step of a peer and print its cost as JSON (what `sizes` starts per step).
    #[command(hide = true)]
    Peer(PeerArguments),
}

#[derive(clap::Args)]
struct FetchArguments {
    /// Folder with corpus.toml or pairs.tsv; may be given several times
    /// [default: corpora, and ../shared/corpora where that is].
    #[arg(long, value_name = "DIR")]
    corpora: Vec<PathBuf>,
    /// Folder of fetched images [default: deltamote/corpora in the user's cache folder].
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Only images of pairs whose id matches.
    #[arg(long, value_name = "REGEX")]
    pairs: Option<Regex>,
}

#[derive(clap::Args)]
struct SizesArguments {
    /// Folder with corpus.toml or pairs.tsv; may be given several times
    /// [default: corpora, and ../shared/corpora where that is].
    #[arg(long, value_name = "DIR")]
    corpora: Vec<PathBuf>,
    /// Table of what peers and the research prototype reached.
    #[arg(long, value_name = "TSV")]
    targets: Option<PathBuf>,
    /// Folder of fetched images [default: deltamote/corpora in the user's cache folder].
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Do not fetch absent registry images; their pairs are listed as missing.
    #[arg(long)]
    no_fetch: bool,
    /// Only pairs whose id matches.
    #[arg(long, value_name = "REGEX")]
    pairs: Option<Regex>,
    /// Leave out pairs whose new image is larger.
    #[arg(long, value_name = "N")]
    max_bytes: Option<u64>,
    /// Profiles, comma-separated; images above 8 MiB are always made in large.
    #[arg(long, value_delimiter = ',', default_value = "small", value_parser = parse_profile)]
    profiles: Vec<Profile>,
    /// Levels, comma-separated; the second and later ones in the first profile only.
    #[arg(long, value_delimiter = ',', default_value = "default")]
    level: Vec<Level>,
    /// Run detools where it is installed, or never (then sizes come from --targets).
    #[arg(long, default_value = "auto")]
    detools: DetoolsUse,
    /// Peers to run: all, none, or names with commas between
    /// [default: detools-lzma,detools-heatshrink where detools is installed].
    #[arg(long, value_name = "PEERS")]
    peers: Option<Wanted>,
    /// Further peers: a TOML file with two command lines for each.
    #[arg(long, value_name = "TOML")]
    peers_file: Option<PathBuf>,
    /// Longest time for one step of a peer; it has failed when it takes longer.
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    peer_limit: u64,
    /// Pairs in work at once.
    #[arg(long, value_name = "N", default_value_t = 2)]
    jobs: usize,
    /// Time each diff beside detools, one pair at a time; median of N runs.
    #[arg(long, value_name = "N", num_args = 0..=1, default_missing_value = "1")]
    time: Option<usize>,
    /// Folder written by `train`: start each pair from the state that was trained
    /// without its product family, instead of the built-in one.
    #[arg(long, value_name = "DIR")]
    cross_validate: Option<PathBuf>,
    /// Write everything as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Write the rows as CSV: ours, with detools beside.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Write one CSV row per pair, tool and setting, peers included.
    #[arg(long, value_name = "FILE")]
    runs: Option<PathBuf>,
    /// Write the table, the rows, the bytes by kind and the setup into a record.
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum DetoolsUse {
    Auto,
    Off,
}

#[derive(clap::Args)]
struct TrainArguments {
    /// Folder with corpus.toml or pairs.tsv; may be given several times
    /// [default: corpora, and ../shared/corpora where that is].
    #[arg(long, value_name = "DIR")]
    corpora: Vec<PathBuf>,
    /// Folder of fetched images [default: deltamote/corpora in the user's cache folder].
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Where to write `all/` and one folder per product family left out.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Leave out pairs whose new image is larger.
    #[arg(long, value_name = "N", default_value_t = 2 << 20)]
    max_bytes: u64,
}

#[derive(clap::Args)]
struct DeviceArguments {
    /// Boards, comma-separated: m0, m3, m4, m33, rv32.
    #[arg(long, value_delimiter = ',', default_value = "m0,m3,m4,m33,rv32")]
    boards: Vec<device::Board>,
    /// Profiles, comma-separated.
    #[arg(long, value_delimiter = ',', default_value = "tiny,small", value_parser = parse_profile)]
    profiles: Vec<Profile>,
    /// Folder with pairs.tsv; the Cortex-M pairs of it are taken.
    #[arg(long, value_name = "DIR", default_value = "corpora")]
    corpora: PathBuf,
    /// Folder of fetched images [default: deltamote/corpora in the user's cache folder].
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Only pairs whose id matches.
    #[arg(long, value_name = "REGEX")]
    pairs: Option<Regex>,
    /// Only pairs of these kinds of step, comma-separated: patch, major, ...
    #[arg(long, value_delimiter = ',')]
    kinds: Vec<String>,
    /// Leave out pairs whose new image is larger.
    #[arg(long, value_name = "N")]
    max_bytes: Option<u64>,
    /// Let power fail on the way, too.
    #[arg(long)]
    cuts: bool,
    /// Encrypt the patches for a key in the firmware.
    #[arg(long)]
    encrypted: bool,
    /// Measure what each feature costs in text.
    #[arg(long)]
    features: bool,
    /// Folder for firmware and patches; patches that lie there are used again [default:
    /// a temporary one].
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,
    /// Print a list of objects instead of tables.
    #[arg(long)]
    json: bool,
    /// Fail where a bar does not hold.
    #[arg(long)]
    check: bool,
}

#[derive(clap::Args)]
struct BootArguments {
    /// Folder for firmware and images [default: a temporary one].
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,
}

#[derive(clap::Args)]
struct MeasureArguments {
    #[arg(long, value_parser = parse_profile)]
    profile: Profile,
    #[arg(long)]
    level: Level,
    #[arg(long)]
    jobs: Option<usize>,
    /// Folder of trained initial states.
    #[arg(long)]
    priors: Option<PathBuf>,
    old: PathBuf,
    new: PathBuf,
}

#[derive(clap::Args)]
struct PeerArguments {
    #[arg(long)]
    name: String,
    #[arg(long)]
    peers_file: Option<PathBuf>,
    #[arg(long)]
    limit: u64,
    step: PeerStep,
    /// diff: old, new, patch to write; apply: old, patch, new to write.
    #[arg(num_args = 3)]
    files: Vec<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum PeerStep {
    Diff,
    Apply,
}

fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Command::Fetch(arguments) => run_fetch(arguments),
        Command::Sizes(arguments) => run_sizes(arguments),
        Command::Train(arguments) => run_train(arguments),
        Command::Device(arguments) => run_device(arguments),
        Command::Boot(arguments) => run_boot(arguments),
        Command::Evidence(command) => evidence::run(command),
        Command::Measure(arguments) => run_measure(&arguments),
        Command::Peer(arguments) => run_peer(&arguments),
    };
    match outcome {
        Ok(code) => code,
        Err(e) => {
            eprintln!("error: {e:#}");
            ExitCode::FAILURE
        }
    }
}

/// The corpora asked for, or those of every day.
fn folders(asked: Vec<PathBuf>) -> Result<Vec<PathBuf>> {
    match asked.is_empty() {
        true => corpus::default_folders(),
        false => Ok(asked),
    }
}

fn run_fetch(arguments: FetchArguments) -> Result<ExitCode> {
    let cache = arguments.cache.unwrap_or_else(registry::default_cache);
    let corpus = Corpus::open(&folders(arguments.corpora)?)?;
    let asked = |pair: &&Pair| {
        arguments
            .pairs
            .as_ref()
            .is_none_or(|r| r.is_match(&pair.id))
    };
    let pairs: Vec<Pair> = corpus.pairs.iter().filter(asked).cloned().collect();
    let outcome = fetch::fetch(&corpus.images_of(&pairs), &cache);
    for (what, why) in &outcome.failures {
        eprintln!("not fetched: {what}: {why}");
    }
    registry::fetch(&corpus, &cache, &pairs)?;
    let missing = registry::missing(&cache, &pairs);
    for pair in &missing {
        eprintln!("missing: {}: {:?}", pair.pair, pair.files);
    }
    println!(
        "{}: {} images fetched, {} there already or generated; {} of {} pairs can be measured",
        cache.display(),
        outcome.fetched,
        outcome.present,
        pairs.len() - missing.len(),
        pairs.len()
    );
    let good = outcome.failures.is_empty() && missing.is_empty();
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn run_sizes(arguments: SizesArguments) -> Result<ExitCode> {
    let cache = arguments.cache.unwrap_or_else(registry::default_cache);
    let program = std::env::current_exe().context("the path of this program")?;
    let mut chosen = chosen_peers(arguments.peers.as_ref(), arguments.peers_file.as_deref())?;
    if arguments.detools == DetoolsUse::Off {
        chosen.retain(|asked| asked.peer.tool() != "detools");
    }
    let peers = sizes::Peers {
        list: chosen,
        trials: trial::Trials {
            program: program.clone(),
            described: arguments.peers_file,
            store: cache.join("peers"),
            limit: Duration::from_secs(arguments.peer_limit),
        },
    };
    let targets = match &arguments.targets {
        Some(path) => targets::read(path)?,
        None => HashMap::new(),
    };
    let setup = Setup {
        version: env!("CARGO_PKG_VERSION"),
        detools: peers.version_of("detools"),
        peers: arguments.peers.as_ref().map(|_| peers.versions()),
        profiles: arguments.profiles.iter().map(|p| p.name()).collect(),
        levels: arguments.level.iter().map(|l| l.name()).collect(),
        jobs: arguments.jobs,
        time: arguments.time,
    };
    let (Some(&level), profiles) = (arguments.level.first(), arguments.profiles.clone()) else {
        bail!("no level given");
    };
    let options = sizes::Options {
        corpora: folders(arguments.corpora)?,
        cache,
        fetch: !arguments.no_fetch,
        pairs: arguments.pairs,
        max_bytes: arguments.max_bytes,
        profiles: arguments.profiles,
        levels: arguments.level,
        jobs: arguments.jobs,
        time: arguments.time,
        cross_validate: arguments.cross_validate,
        program,
    };
    match &setup.detools {
        Some(version) => println!("detools {version}"),
        None => println!("detools not run; its sizes are those of --targets, if given"),
    }
    if arguments.peers.is_some() {
        for (tool, line) in peers.missing() {
            println!("missing peer: {tool}; install it with: {line}");
        }
    }
    print!("{}", report::heading());
    let results = sizes::run(&options, &peers, &targets, |rows| {
        rows.iter().for_each(|row| print!("{}", report::row(row)));
    })?;
    let measured = results.rows.len();
    let report = Report::new(setup, results, &profiles, level);
    print!("{}", report.text());
    if let Some(path) = arguments.json {
        let json = serde_json::to_vec_pretty(&report)?;
        fs::write(&path, json).with_context(|| format!("{}", path.display()))?;
    }
    if let Some(path) = arguments.csv {
        fs::write(&path, report.csv()).with_context(|| format!("{}", path.display()))?;
    }
    if let Some(path) = arguments.runs {
        runs::write(&path, report.runs())?;
    }
    if let Some(dir) = arguments.record {
        let record = Record(dir);
        evidence::note(&record, &peers.versions())?;
        record.write_sizes(&report)?;
    }
    // A run that measured nothing must not pass for a good one.
    let good = report.failures() == 0 && measured > 0;
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The peers that are asked for, with their versions. When nothing was asked for: the
/// two ways of detools that have columns in the table, where it is installed.
fn chosen_peers(wanted: Option<&Wanted>, file: Option<&Path>) -> Result<Vec<sizes::Asked>> {
    let default = || Wanted::Named(vec!["detools-lzma".into(), "detools-heatshrink".into()]);
    let chosen = wanted
        .cloned()
        .unwrap_or_else(default)
        .of(all_peers(file)?)?;
    let asked = |peer: Box<dyn Peer>| sizes::Asked {
        version: peer.version(),
        peer,
    };
    let mut chosen: Vec<_> = chosen.into_iter().map(asked).collect();
    if wanted.is_none() {
        chosen.retain(|asked| asked.version.is_some());
    }
    Ok(chosen)
}

/// Known peers and those described in `file`.
fn all_peers(file: Option<&Path>) -> Result<Vec<Box<dyn Peer>>> {
    let mut all = peers::known();
    if let Some(file) = file {
        for peer in described::read(file)? {
            all.push(Box::new(peer));
        }
    }
    Ok(all)
}

fn run_peer(arguments: &PeerArguments) -> Result<ExitCode> {
    let mut all = all_peers(arguments.peers_file.as_deref())?;
    if let Some(own) = Own::parse(&arguments.name) {
        all.push(Box::new(own));
    }
    let peer = all
        .iter()
        .find(|p| peers::name(p.as_ref()) == arguments.name);
    let peer = peer.with_context(|| format!("no peer {:?}", arguments.name))?;
    let [first, second, made] = arguments.files.as_slice() else {
        bail!("three files are needed");
    };
    let cost = trial::step(
        peer.as_ref(),
        arguments.step == PeerStep::Diff,
        [first, second, made],
        Duration::from_secs(arguments.limit),
    )?;
    println!("{}", serde_json::to_string(&cost)?);
    Ok(ExitCode::SUCCESS)
}

fn run_train(arguments: TrainArguments) -> Result<ExitCode> {
    train::run(&train::Options {
        corpora: folders(arguments.corpora)?,
        cache: arguments.cache.unwrap_or_else(registry::default_cache),
        out: arguments.out,
        max_bytes: arguments.max_bytes,
    })?;
    Ok(ExitCode::SUCCESS)
}

fn run_boot(arguments: BootArguments) -> Result<ExitCode> {
    let scratch = tempfile::tempdir()?;
    let work = arguments.work.unwrap_or_else(|| scratch.path().to_owned());
    print!("{}", device::demonstrate(&work)?);
    println!("version 1 updated itself to version 2, and was back when version 2 failed");
    Ok(ExitCode::SUCCESS)
}

fn run_device(arguments: DeviceArguments) -> Result<ExitCode> {
    let scratch = tempfile::tempdir()?;
    let options = device::Options {
        boards: arguments.boards,
        profiles: arguments.profiles,
        corpora: arguments.corpora,
        cache: arguments.cache.unwrap_or_else(registry::default_cache),
        pairs: arguments.pairs,
        kinds: arguments.kinds,
        max_bytes: arguments.max_bytes,
        cuts: arguments.cuts,
        encrypted: arguments.encrypted,
        features: arguments.features,
        work: arguments.work.unwrap_or_else(|| scratch.path().to_owned()),
    };
    let results = device::run(&options, |row| {
        eprintln!(
            "{} {} {}: {} instructions per byte, {} bytes of RAM",
            row.board, row.profile, row.pair, row.insns_per_byte, row.ram_bytes
        );
    })?;
    if arguments.json {
        println!("{}", serde_json::to_string_pretty(&results.rows)?);
    } else {
        print!("{}", device::tables(&results));
    }
    let failures = device::failures(&results);
    for failure in &failures {
        eprintln!("above its bar: {failure}");
    }
    Ok(if arguments.check && !failures.is_empty() {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn run_measure(arguments: &MeasureArguments) -> Result<ExitCode> {
    let setting = Setting {
        profile: arguments.profile,
        level: arguments.level,
    };
    let measured = measure::measure(
        &arguments.old,
        &arguments.new,
        setting,
        arguments.jobs,
        arguments.priors.as_deref(),
    )?;
    println!("{}", serde_json::to_string(&measured)?);
    Ok(ExitCode::SUCCESS)
}
