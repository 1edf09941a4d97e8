//! The `deltamote` command: arguments in, engine at work, exit code out.
//!
//! It holds no algorithm: whatever it can do, a program can do with the engine crate.

#![deny(unsafe_code)]

mod allocator;
mod args;
mod commands;
mod demo;
mod drawn;
mod failure;
mod input;
mod interrupt;
mod key_args;
mod output;
mod progress;
mod report;
mod reproduce;
mod signing;
mod simulate;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};
use failure::Failure;

fn main() -> ExitCode {
    allocator::return_what_is_freed();
    let cli = Cli::parse();
    interrupt::listen();
    let result = match &cli.command {
        Command::Demo(_) => demo::run(),
        Command::Keygen(args) => signing::keygen(args),
        Command::Diff(args) => commands::diff(args),
        Command::Reproduce(args) => reproduce::run(args),
        Command::Apply(args) => commands::apply(args),
        Command::Inspect(args) => commands::inspect(args),
        Command::Verify(args) => commands::verify(args),
        Command::Tbs(args) => signing::tbs(args),
        Command::Attach(args) => signing::attach(args),
        Command::Keyset(args) => signing::keyset(args),
        Command::Simulate(args) => simulate::run(args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("deltamote: {failure}");
            failure.exit_code()
        }
    }
}

/// Prints to standard output. A reader that has gone away (`| head`) is no failure.
fn say(text: &str) -> Result<(), Failure> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => Err(Failure::failed(format!(
            "the report cannot be written ({e})"
        ))),
        _ => Ok(()),
    }
}
