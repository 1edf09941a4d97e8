//! Commands of peers: started, waited for, and heard when they fail.

use std::env;
use std::fs::{self, File};
use std::io::{Read, Seek};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use wait_timeout::ChildExt;

use crate::digest::sha256_hex;

static LIMIT: OnceLock<Duration> = OnceLock::new();

/// Ends every command of this process that takes longer than `limit`. Once per process.
pub fn set_limit(limit: Duration) {
    // A second call would be a second limit; the first stands.
    let _ = LIMIT.set(limit);
}

/// Runs `command` to its end and returns what it printed; a failure is an error with
/// its last words.
pub fn run(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    // Files instead of pipes: nobody reads a pipe while the clock is watched.
    let (mut out, mut err) = (tempfile::tempfile()?, tempfile::tempfile()?);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(out.try_clone()?)
        .stderr(err.try_clone()?)
        .spawn()
        .context(program.clone())?;
    let status = match LIMIT.get() {
        None => child.wait()?,
        Some(&limit) => match child.wait_timeout(limit)? {
            Some(status) => status,
            None => {
                child.kill()?;
                child.wait()?;
                bail!("{program}: not done after {} s", limit.as_secs());
            }
        },
    };
    let said = text_of(&mut out)?;
    ensure!(
        status.success(),
        "{program}: {status}: {said}{}",
        text_of(&mut err)?.trim()
    );
    Ok(said)
}

fn text_of(file: &mut File) -> Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What `command` prints, on either stream; `None` where it is not installed or says
/// nothing.
pub fn said(command: &mut Command) -> Option<String> {
    let output = command.stdin(Stdio::null()).output().ok()?;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).trim().to_owned();
    (!text.is_empty()).then_some(text)
}

/// The file that `program` on the search path is.
pub fn find(program: &str) -> Option<PathBuf> {
    let dirs = env::var_os("PATH")?;
    env::split_paths(&dirs)
        .map(|dir| dir.join(program))
        .find(|file| file.is_file())
}

/// A version for programs that state none: the start of their file's digest.
pub fn digest(program: &str) -> Option<String> {
    let bytes = fs::read(find(program)?).ok()?;
    Some(format!("sha256:{}", &sha256_hex(&bytes)[..12]))
}
