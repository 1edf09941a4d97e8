//! The commands around records: measure times, write a record, draw it, compare two,
//! and bring the README up to it.

use std::path::{Path, PathBuf};
use std::process::{self, ExitCode};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Subcommand};
use deltamote_bench::corpus::{Corpus, Pair};
use deltamote_bench::device::Board;
use deltamote_bench::peers::{Wanted, trial};
use deltamote_bench::record::{self, Record, compare, figures, setup::Setup};
use deltamote_bench::setting::Level;
use deltamote_bench::speed::{self, Question, Timed, growth};
use deltamote_bench::{codecs, page, registry, sizes};
use deltamote_engine::image::Image;
use regex_lite::Regex;

#[derive(Subcommand)]
pub enum Command {
    /// Time making and applying patches beside the peers, in turns; and how it grows with the image.
    Speed(Speed),
    /// Both payload codecs of profile large side by side: bytes, and how fast they decode.
    Codecs(Codecs),
    /// Measure everything and write a record with its report: the one command.
    Record(RecordArguments),
    /// Draw a record as one HTML file.
    Report(Report),
    /// Show what got better or worse between two records; with limits, fail when payloads grew.
    Compare(Compare),
    /// Put the figures of a record into the README.
    Readme(Readme),
    /// Measure the few pairs that CI compares with; fail when payloads grew.
    Subset(Subset),
}

#[derive(Args)]
pub struct Speed {
    /// Folder with corpus.toml or pairs.tsv; may be given several times
    /// [default: corpora, and ../shared/corpora where that is].
    #[arg(long, value_name = "DIR")]
    corpora: Vec<PathBuf>,
    /// Folder of fetched images [default: deltamote/corpora in the user's cache folder].
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Do not fetch absent registry images.
    #[arg(long)]
    no_fetch: bool,
    /// Pairs to time [default: one patch or minor step per size class].
    #[arg(long, value_name = "REGEX")]
    pairs: Option<Regex>,
    /// Peers: all, none, or names with commas between.
    #[arg(long, value_name = "PEERS", default_value = "all")]
    peers: Wanted,
    /// Further peers: a TOML file with two command lines for each.
    #[arg(long, value_name = "TOML")]
    peers_file: Option<PathBuf>,
    /// Longest time for one step; a tool that takes longer has failed.
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    limit: u64,
    /// Our levels, comma-separated.
    #[arg(long, value_delimiter = ',', default_value = "fast,default")]
    level: Vec<Level>,
    /// Threads that ours are given, comma-separated [default: 1, 2, 4 ... up to the cores].
    #[arg(long, value_delimiter = ',', value_name = "N")]
    threads: Vec<usize>,
    /// Rounds on each pair; times are medians.
    #[arg(long, value_name = "N", default_value_t = 3)]
    rounds: usize,
    /// Image sizes of the growth curves in KiB, comma-separated; 0 for none.
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "KIB",
        default_value = "64,256,1024,4096,16384,65536"
    )]
    growth: Vec<usize>,
    /// Write the rows as CSV.
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Write the rows into a record.
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
}

#[derive(Args)]
pub struct Codecs {
    /// Folder with corpus.toml or pairs.tsv; may be given several times
    /// [default: corpora, and ../shared/corpora where that is].
    #[arg(long, value_name = "DIR")]
    corpora: Vec<PathBuf>,
    /// Folder of fetched images [default: deltamote/corpora in the user's cache folder].
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Do not fetch absent registry images.
    #[arg(long)]
    no_fetch: bool,
    /// Pairs to measure [default: three of about 1 MiB and a kernel].
    #[arg(long, value_name = "REGEX", default_value = codecs::PAIRS, hide_default_value = true)]
    pairs: Regex,
    /// Level of the plans.
    #[arg(long, default_value = "default")]
    level: Level,
    /// How often each patch is applied; the least time counts.
    #[arg(long, value_name = "N", default_value_t = 5)]
    rounds: usize,
    /// Write the rows into a record, from where `readme` takes its table.
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,
}

#[derive(Args)]
pub struct RecordArguments {
    /// Folder with corpus.toml or pairs.tsv; may be given several times
    /// [default: corpora, and ../shared/corpora where that is].
    #[arg(long, value_name = "DIR")]
    corpora: Vec<PathBuf>,
    /// Folder of fetched images [default: deltamote/corpora in the user's cache folder].
    #[arg(long, value_name = "DIR")]
    cache: Option<PathBuf>,
    /// Table of what peers and the research prototype reached.
    #[arg(long, value_name = "TSV")]
    targets: Option<PathBuf>,
    /// Train states without each product family first, and measure with those.
    #[arg(long)]
    cross_validate: bool,
    /// Peers: all, none, or names with commas between.
    #[arg(long, value_name = "PEERS", default_value = "all")]
    peers: String,
    /// Pairs in work at once where bytes count; times are taken one at a time.
    #[arg(long, value_name = "N", default_value_t = 2)]
    jobs: usize,
    /// Where to write it [default: bench/record/<day>-<commit>].
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Leave out times.
    #[arg(long)]
    no_speed: bool,
    /// Leave out the emulated boards (they are left out, too, where qemu or a target of
    /// rustup is not installed; that is said).
    #[arg(long)]
    no_device: bool,
    /// Bring the README and the subset that CI compares with up to this record.
    #[arg(long)]
    renew: bool,
}

#[derive(Args)]
pub struct Report {
    /// Folder of the record.
    #[arg(long, value_name = "DIR")]
    record: PathBuf,
    /// The HTML file [default: report.html in the record].
    #[arg(short, long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Args)]
pub struct Compare {
    /// The earlier record: a folder, runs.csv, or sizes.csv.
    before: PathBuf,
    /// The later one.
    after: PathBuf,
    /// Fail when payloads grew by more than this many per cent in all.
    #[arg(long, value_name = "PERCENT", requires = "fail_pair")]
    fail_all: Option<f64>,
    /// Fail when a payload grew by more than this many per cent, or is lost.
    #[arg(long, value_name = "PERCENT", requires = "fail_all")]
    fail_pair: Option<f64>,
}

#[derive(Args)]
pub struct Readme {
    /// Folder of the record [default: the one that the README names].
    #[arg(long, value_name = "DIR")]
    record: Option<String>,
    /// The README; the record is found from its folder.
    #[arg(long, value_name = "FILE", default_value = "README.md")]
    readme: PathBuf,
    /// Change nothing; fail when the README does not agree.
    #[arg(long)]
    check: bool,
}

#[derive(Args)]
pub struct Subset {
    /// Take what is measured as what is expected from now on.
    #[arg(long)]
    renew: bool,
}

pub fn run(command: Command) -> Result<ExitCode> {
    match command {
        Command::Speed(arguments) => speed(&arguments),
        Command::Codecs(arguments) => codecs(&arguments),
        Command::Record(arguments) => record(&arguments),
        Command::Report(arguments) => report(&arguments),
        Command::Compare(arguments) => compare(&arguments),
        Command::Readme(arguments) => readme(&arguments),
        Command::Subset(arguments) => subset(&arguments),
    }
}

/// This program's command line, without the folder that the program is in.
pub fn command_line() -> String {
    let words = std::env::args().skip(1);
    ["deltamote-bench".to_owned()]
        .into_iter()
        .chain(words)
        .collect::<Vec<_>>()
        .join(" ")
}

/// Adds a command and the peers it ran to the setup of `record`.
pub fn note(record: &Record, peers: &[(String, Option<String>)]) -> Result<()> {
    std::fs::create_dir_all(&record.0).with_context(|| record.0.display().to_string())?;
    let mut setup = Setup::read(record)?.unwrap_or_else(Setup::here);
    setup.commands.push(command_line());
    for peer in peers {
        if !setup.peers.contains(peer) {
            setup.peers.push(peer.clone());
        }
    }
    setup.write(record)
}

/// 1, 2, 4 ... and the number of cores.
fn powers_to_cores() -> Vec<usize> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let mut out: Vec<usize> = (0..).map(|k| 1 << k).take_while(|&n| n <= cores).collect();
    if out.last() != Some(&cores) {
        out.push(cores);
    }
    out
}

fn speed(arguments: &Speed) -> Result<ExitCode> {
    let cache = arguments
        .cache
        .clone()
        .unwrap_or_else(registry::default_cache);
    let chosen = super::chosen_peers(Some(&arguments.peers), arguments.peers_file.as_deref())?;
    let peers: Vec<_> = chosen
        .into_iter()
        .map(|asked| (asked.peer, asked.version))
        .collect();
    for (peer, _) in peers.iter().filter(|(_, version)| version.is_none()) {
        println!(
            "missing peer: {}; install it with: {}",
            peer.tool(),
            peer.install()
        );
    }
    let versions: Vec<(String, Option<String>)> = peers
        .iter()
        .map(|(peer, version)| (deltamote_bench::peers::name(peer.as_ref()), version.clone()))
        .collect();
    let dir = tempfile::tempdir()?;
    let pairs = timed(arguments, &cache, dir.path())?;
    let options = speed::Options {
        trials: trial::Trials {
            program: std::env::current_exe().context("the path of this program")?,
            described: arguments.peers_file.clone(),
            // Times are never kept.
            store: dir.path().join("store"),
            limit: Duration::from_secs(arguments.limit),
        },
        peers,
        levels: arguments.level.clone(),
        threads: match arguments.threads.as_slice() {
            [] => powers_to_cores(),
            threads => threads.to_vec(),
        },
        rounds: arguments.rounds,
        growth_rounds: 1,
    };
    println!("{}", speed::heading());
    let rows = speed::run(&options, &pairs, |row| println!("{}", speed::line(row)));
    if let Some(path) = &arguments.csv {
        speed::write(path, &rows)?;
    }
    if let Some(dir) = &arguments.record {
        let record = Record(dir.clone());
        note(&record, &versions)?;
        speed::write(&record.speed(), &rows)?;
    }
    let ours = |r: &&speed::Timing| r.tool == deltamote_bench::runs::DELTAMOTE;
    let good = rows.iter().filter(ours).all(|r| r.rounds > 0) && rows.iter().any(|r| r.rounds > 0);
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The pairs that are asked for and the growing ones, as raw files in `dir`.
fn timed(arguments: &Speed, cache: &Path, dir: &Path) -> Result<Vec<Timed>> {
    let corpus = Corpus::open(&super::folders(arguments.corpora.clone())?)?;
    let chosen: Vec<Pair> = match &arguments.pairs {
        Some(wanted) => corpus
            .pairs
            .iter()
            .filter(|p| wanted.is_match(&p.id))
            .cloned()
            .collect(),
        None => {
            sizes::get_images(&corpus, cache, &corpus.pairs, !arguments.no_fetch)?;
            let missing = registry::missing(cache, &corpus.pairs);
            let there = |p: &&Pair| missing.iter().all(|m| m.pair != p.id);
            let there: Vec<Pair> = corpus.pairs.iter().filter(there).cloned().collect();
            speed::chosen(&there).into_iter().cloned().collect()
        }
    };
    sizes::get_images(&corpus, cache, &chosen, !arguments.no_fetch)?;
    let read = |source: &deltamote_bench::corpus::Source| -> Result<Image> {
        let path = source.path(cache);
        Image::open(&path).with_context(|| path.display().to_string())
    };
    let mut out = Vec::new();
    for pair in &chosen {
        let images = (read(&pair.old)?, read(&pair.new)?);
        let bytes = (images.0.bytes(), images.1.bytes());
        out.push(Timed::new(
            Question::Pair,
            (&pair.id, &pair.isa),
            bytes,
            dir,
        )?);
    }
    let sizes: Vec<usize> = arguments
        .growth
        .iter()
        .copied()
        .filter(|&k| k > 0)
        .collect();
    if !sizes.is_empty() {
        // One image of each product that is there, real firmware first.
        let mut products: Vec<&str> = Vec::new();
        let mut images = Vec::new();
        for pair in &corpus.pairs {
            if pair.isa == "none" || products.contains(&pair.product()) {
                continue;
            }
            if let Ok(image) = read(&pair.new) {
                products.push(pair.product());
                images.push(image.bytes().to_vec());
            }
        }
        ensure!(!images.is_empty(), "no image of the corpus is there");
        for kib in sizes {
            let old = growth::old_image(&images, kib << 10);
            let new = growth::new_image(&old);
            let name = format!("growth {kib} KiB");
            out.push(Timed::new(
                Question::Growth,
                (&name, ""),
                (&old, &new),
                dir,
            )?);
        }
    }
    Ok(out)
}

fn codecs(arguments: &Codecs) -> Result<ExitCode> {
    let cache = arguments.cache.clone();
    let cache = cache.unwrap_or_else(registry::default_cache);
    let mut corpus = Corpus::open(&super::folders(arguments.corpora.clone())?)?;
    corpus.pairs.retain(|p| arguments.pairs.is_match(&p.id));
    ensure!(!corpus.pairs.is_empty(), "no pair matches --pairs");
    sizes::get_images(&corpus, &cache, &corpus.pairs, !arguments.no_fetch)?;
    if let Some(dir) = &arguments.record {
        note(&Record(dir.clone()), &[])?;
    }
    let mut rows = Vec::new();
    for pair in &corpus.pairs {
        rows.extend(codecs::measure(
            pair,
            &cache,
            arguments.level,
            arguments.rounds,
        )?);
        println!("{}", pair.id);
    }
    print!("{}", codecs::table(&rows)?);
    if let Some(dir) = &arguments.record {
        codecs::write(&Record(dir.clone()).codecs(), &rows)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Runs this program again with `words`; its standard output goes to `file` if given.
fn again(words: &[String], file: Option<&Path>) -> Result<bool> {
    println!("== deltamote-bench {}", words.join(" "));
    let started = Instant::now();
    let mut command = process::Command::new(std::env::current_exe()?);
    command.args(words);
    let good = match file {
        None => command.status()?.success(),
        Some(file) => {
            let output = command.stderr(process::Stdio::inherit()).output()?;
            if output.status.success() {
                record::write(file, &String::from_utf8(output.stdout)?)?;
            }
            output.status.success()
        }
    };
    println!("== {:.0} s", started.elapsed().as_secs_f64());
    Ok(good)
}

fn record(arguments: &RecordArguments) -> Result<ExitCode> {
    let setup = Setup::here();
    let default = || Path::new("bench/record").join(setup.folder());
    let dir = arguments.out.clone().unwrap_or_else(default);
    let record = Record(dir.clone());
    std::fs::create_dir_all(&dir).with_context(|| dir.display().to_string())?;
    setup.write(&record)?;
    let word = |s: &str| s.to_owned();
    let path = |p: &Path| p.display().to_string();
    let mut common = Vec::new();
    for corpora in &arguments.corpora {
        common.extend([word("--corpora"), path(corpora)]);
    }
    if let Some(cache) = &arguments.cache {
        common.extend([word("--cache"), path(cache)]);
    }
    let started = Instant::now();
    let mut fetch = vec![word("fetch")];
    fetch.extend(common.clone());
    // What stays away is listed again with the sizes, and is no reason to measure nothing.
    let mut good = again(&fetch, None)?;
    let into = [word("--record"), path(&dir)];
    let mut sizes = vec![word("sizes")];
    sizes.extend(common.clone());
    if arguments.cross_validate {
        // Beside the build: kept for the next record, never committed.
        let priors = Path::new("target/priors");
        let mut train = vec![word("train")];
        train.extend(common.clone());
        train.extend([word("--out"), path(priors)]);
        ensure!(again(&train, None)?, "train failed");
        sizes.extend([word("--cross-validate"), path(priors)]);
    }
    if let Some(targets) = &arguments.targets {
        sizes.extend([word("--targets"), path(targets)]);
    }
    sizes.extend(
        [
            "--profiles",
            "small,tiny,medium",
            "--level",
            "default,fast",
            "--peers",
        ]
        .map(word),
    );
    sizes.extend([
        arguments.peers.clone(),
        word("--jobs"),
        arguments.jobs.to_string(),
    ]);
    sizes.extend(into.clone());
    good &= again(&sizes, None)?;
    ensure!(record.runs().exists(), "no sizes were measured");
    if !arguments.no_speed {
        let mut codecs = vec![word("codecs")];
        codecs.extend(common.clone());
        // As the README's table: the kernel takes minutes at level default, once for each codec.
        codecs.extend(["--level", "fast"].map(word));
        codecs.extend(into.clone());
        good &= again(&codecs, None)?;
        let mut speed = vec![word("speed")];
        speed.extend(common.clone());
        speed.extend([word("--peers"), arguments.peers.clone()]);
        speed.extend(into);
        good &= again(&speed, None)?;
    }
    if !arguments.no_device {
        match Board::ALL.iter().find_map(|board| board.missing()) {
            Some(line) => println!("emulated boards not measured; install them with: {line}"),
            // One pair: emulators take minutes for what boards do in seconds.
            None => {
                let device = ["device", "--json", "--pairs", DEVICE_PAIR].map(word);
                good &= again(&device, Some(&record.device()))?;
            }
        }
    }
    if arguments.renew {
        renew(&record)?;
    }
    record::write(&record.page(), &page::page(&record)?)?;
    println!("{}", record.page().display());
    println!("== {:.0} s in all", started.elapsed().as_secs_f64());
    if !good {
        println!("not everything ended well; see above");
    }
    Ok(if good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The pair that a record's boards are updated with: it needs no fetching.
const DEVICE_PAIR: &str = "^uflash-microbit-v1__1.2.0__1.2.4$";

/// The README that names records; its folder is where records are found from.
const README: &str = "README.md";

fn renew(record: &Record) -> Result<()> {
    let readme = Readme {
        record: Some(record.0.display().to_string()),
        readme: README.into(),
        check: false,
    };
    self::readme(&readme)?;
    subset(&Subset { renew: true })?;
    Ok(())
}

/// What CI measures on every change: corpus, further arguments of `sizes`, and the file in
/// `bench/record/subset` with what is expected.
const SUBSETS: [(&str, &[&str], &str); 2] = [
    (
        "corpora",
        &[
            "--profiles",
            "small,tiny,medium",
            "--level",
            "default,fast",
            "--pairs",
            "^uflash-microbit-v1__1.2.0|^pathological",
        ],
        "embedded.csv",
    ),
    (
        "../shared/corpora",
        &["--profiles", "small,tiny", "--pairs", SHARED_PAIRS],
        "shared.csv",
    ),
];

/// One pair per instruction set and file format, small enough for every change.
const SHARED_PAIRS: &str = "^(detools-synthesizer__1__2|baseflight-naze__20150520__20150627|\
    tkg-ghpad__20150218a__20150218b|esp8266-nonos-at__20200527__20211015|rk3568-bl31__1.33__1.34|\
    skyconnect-ezsp__7.2.2.0__7.2.3.0)$";

/// How much payloads may grow before somebody must say that it is meant.
const GROWTH: compare::Limits = compare::Limits {
    all: 0.5,
    pair: 3.0,
};

fn subset(arguments: &Subset) -> Result<ExitCode> {
    let mut broken = 0;
    for (corpora, more, file) in SUBSETS {
        if !Path::new(corpora).is_dir() {
            println!("{corpora} is not there: its pairs are not measured");
            continue;
        }
        let expected = Path::new("bench/record/subset").join(file);
        let dir = tempfile::tempdir()?;
        let made = dir.path().join("runs.csv");
        let mut words: Vec<String> = [
            "sizes",
            "--no-fetch",
            "--peers",
            "none",
            "--corpora",
            corpora,
        ]
        .map(str::to_owned)
        .to_vec();
        words.extend(more.iter().map(|&w| w.to_owned()));
        words.extend(["--runs".to_owned(), made.display().to_string()]);
        ensure!(again(&words, None)?, "a patch of the subset failed");
        if arguments.renew {
            std::fs::create_dir_all("bench/record/subset")?;
            record::write(&expected, &compare::reduced(&made)?)?;
            println!("{}: renewed", expected.display());
            continue;
        }
        let found = compare::compare(&expected, &made)?;
        print!("{}", found.text());
        for line in found.broken(GROWTH) {
            println!("BROKEN: {line}");
            broken += 1;
        }
    }
    if broken > 0 {
        println!(
            "If this is meant: deltamote-bench subset --renew, and commit bench/record/subset."
        );
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn report(arguments: &Report) -> Result<ExitCode> {
    let record = Record(arguments.record.clone());
    let output = arguments.output.clone().unwrap_or_else(|| record.page());
    record::write(&output, &page::page(&record)?)?;
    println!("{}", output.display());
    Ok(ExitCode::SUCCESS)
}

fn compare(arguments: &Compare) -> Result<ExitCode> {
    let found = compare::compare(&arguments.before, &arguments.after)?;
    print!("{}", found.text());
    let (Some(all), Some(pair)) = (arguments.fail_all, arguments.fail_pair) else {
        return Ok(ExitCode::SUCCESS);
    };
    let broken = found.broken(compare::Limits { all, pair });
    for line in &broken {
        println!("BROKEN: {line}");
    }
    Ok(if broken.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn readme(arguments: &Readme) -> Result<ExitCode> {
    let shown = || arguments.readme.display().to_string();
    let text = std::fs::read_to_string(&arguments.readme).with_context(shown)?;
    let root = arguments.readme.parent().unwrap_or(Path::new("."));
    let named = match &arguments.record {
        Some(record) => record.trim_end_matches('/'),
        None => figures::record_of(&text).with_context(shown)?,
    };
    let made = figures::renewed(&text, root, named).with_context(shown)?;
    if arguments.check {
        if made != text {
            bail!(
                "{}: does not agree with {named}; run deltamote-bench readme",
                shown()
            );
        }
    } else if made != text {
        record::write(&arguments.readme, &made)?;
        println!("{}: figures of {named}", shown());
    }
    Ok(ExitCode::SUCCESS)
}
