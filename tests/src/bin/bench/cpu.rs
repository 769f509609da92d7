//! Processor time from `/proc`.

use std::time::Duration;

/// Processor time is counted in hundredths of a second.
const TICK: Duration = Duration::from_millis(10);

/// User and system time of a process, and of its children that have ended.
fn ticks(pid: &str) -> Option<(u64, u64)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may hold anything; the fields after it are numbers.
    let fields: Vec<u64> = stat
        .rsplit(')')
        .next()?
        .split_whitespace()
        .skip(1)
        .map(|field| field.parse().unwrap_or(0))
        .collect();
    Some((
        fields.get(10)? + fields.get(11)?,
        fields.get(12)? + fields.get(13)?,
    ))
}

/// Processor time of a server with all its processes, the ended ones too.
pub fn of_server(pid: u32) -> Duration {
    let own = ticks(&pid.to_string()).map_or(0, |(own, ended)| own + ended);
    let children =
        std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    let children: u64 = children
        .split_whitespace()
        .filter_map(ticks)
        .map(|(own, _)| own)
        .sum();
    TICK * u32::try_from(own + children).unwrap_or(u32::MAX)
}

/// Processor time of this process.
pub fn of_self() -> Duration {
    let own = ticks("self").map_or(0, |(own, _)| own);
    TICK * u32::try_from(own).unwrap_or(u32::MAX)
}
