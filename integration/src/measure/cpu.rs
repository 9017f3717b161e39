//! CPU time that a process uses while it works, looked at every few milliseconds, so that the part
//! between two moments that are known only afterwards can be told.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Between two looks: what the kernel counts in.
const LOOK: Duration = Duration::from_millis(10);

/// A process's CPU time by the time of day.
#[derive(Debug)]
pub struct CpuRecord {
    stop: Arc<AtomicBool>,
    watcher: JoinHandle<Vec<(Duration, Duration)>>,
}

/// What was recorded: moments since 1970, each with the CPU time used until then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CpuTimes(Vec<(Duration, Duration)>);

impl CpuRecord {
    /// Begins to watch a process.
    #[must_use]
    pub fn of(pid: u32) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let told = stop.clone();
        let watcher = std::thread::spawn(move || {
            let mut seen = Vec::new();
            while !told.load(Ordering::Relaxed) {
                let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
                seen.extend(used(&stat).map(|used| (now, used)));
                std::thread::sleep(LOOK);
            }
            seen
        });
        Self { stop, watcher }
    }

    /// Ends the watch.
    #[must_use]
    pub fn end(self) -> CpuTimes {
        self.stop.store(true, Ordering::Relaxed);
        CpuTimes(self.watcher.join().unwrap_or_default())
    }
}

impl CpuTimes {
    /// What was used between two moments; `None` where they were not watched.
    #[must_use]
    pub fn used(&self, from: Duration, to: Duration) -> Option<Duration> {
        let until = |moment: Duration| {
            let after = self.0.partition_point(|(at, _)| *at <= moment);
            Some(self.0.get(after.checked_sub(1)?)?.1)
        };
        Some(until(to)?.saturating_sub(until(from)?))
    }
}

/// CPU time of all threads: fields 14 and 15 of proc_pid_stat(5), in hundredths of a second.
fn used(stat: &str) -> Option<Duration> {
    let (_, rest) = stat.rsplit_once(')')?;
    let ticks = rest.split_whitespace().skip(11).take(2).map(str::parse);
    let ticks: Vec<u64> = ticks.collect::<Result<_, _>>().ok()?;
    (ticks.len() == 2).then(|| Duration::from_millis(ticks.iter().sum::<u64>() * 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_between_two_moments_is_what_was_used_then() {
        let ms = Duration::from_millis;
        let times =
            CpuTimes([(10, 0), (20, 5), (30, 25)].map(|(at, used)| (ms(at), ms(used))).to_vec());
        assert_eq!(times.used(ms(10), ms(30)), Some(ms(25)));
        assert_eq!(times.used(ms(25), ms(99)), Some(ms(20)));
        assert_eq!(times.used(ms(5), ms(30)), None);
    }

    #[test]
    fn a_stat_line_is_read_behind_the_name() {
        let line = "7 (a) b) S 1 1 1 0 -1 4194304 100 0 0 0 12 30 0 0 20 0 4 0 1 1 1";
        assert_eq!(used(line), Some(Duration::from_millis(420)));
        assert_eq!(used("7 (a) S 1"), None);
    }
}
