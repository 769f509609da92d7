//! Reading `/proc`: finding what an earlier, killed run has left behind.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::{self, Signal};
use nix::unistd::Pid;

const POLL: Duration = Duration::from_millis(10);

/// The working folder of a process, if it lives and may be looked at.
pub fn working_dir(pid: u32) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/cwd")).ok()
}

/// The words of a process's command line.
pub fn command_line(pid: u32) -> Vec<String> {
    fs::read(format!("/proc/{pid}/cmdline"))
        .map(|bytes| {
            bytes
                .split(|byte| *byte == 0)
                .filter(|word| !word.is_empty())
                .map(|word| String::from_utf8_lossy(word).into_owned())
                .collect()
        })
        .unwrap_or_default()
}

/// All processes whose working folder is `dir`. A Postgres server and its helpers work in the cluster's folder, so this finds
/// helpers that have lost their server too.
pub fn working_in(dir: &Path) -> Vec<u32> {
    let Ok(dir) = fs::canonicalize(dir) else {
        return Vec::new();
    };
    let Ok(entries) = fs::read_dir("/proc") else {
        return Vec::new();
    };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .filter(|pid| working_dir(*pid).is_some_and(|cwd| cwd == dir))
        .collect()
}

/// Sends a signal to a process that is not our child.
pub fn send(pid: u32, signal: Signal) {
    if let Ok(raw) = i32::try_from(pid)
        && raw > 1
    {
        let _already_gone = signal::kill(Pid::from_raw(raw), signal);
    }
}

/// Waits until `gone` says so, for at most `patience`; says whether it did.
pub async fn wait_until(patience: Duration, mut gone: impl FnMut() -> bool) -> bool {
    let begun = Instant::now();
    loop {
        if gone() {
            return true;
        }
        if begun.elapsed() >= patience {
            return false;
        }
        tokio::time::sleep(POLL).await;
    }
}

/// The last lines of a log file, at most 20 lines and 4 KiB.
pub fn log_tail(path: &Path) -> String {
    use std::io::{Read, Seek, SeekFrom};
    const WINDOW: u64 = 4096;
    let read = || -> std::io::Result<String> {
        let mut file = fs::File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(WINDOW)))?;
        let mut bytes = Vec::new();
        file.take(WINDOW).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = read().unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let start = lines.len().saturating_sub(20);
    lines
        .get(start..)
        .map(|tail| tail.join("\n"))
        .unwrap_or_default()
}
