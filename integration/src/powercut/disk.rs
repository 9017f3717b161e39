//! A disk in memory with a file system on it, and the recording of what is written to it.

use super::log::{SECTOR, WriteLog, position};
use super::replay::Replay;
use crate::run::{line, run};
use anyhow::{Context, Result, ensure};
use rustix::mount::{UnmountFlags, unmount};
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

/// Where images and logs are kept: nothing of them may reach the machine's own disk, which is
/// slow and would sync.
const MEMORY: &str = "/dev/shm";
/// The file that shows the recorded disk.
const DEVICE: &str = "device";

/// A disk with an ext4 on it; gone when dropped.
#[derive(Debug)]
pub struct Disk {
    directory: TempDir,
}

impl Disk {
    /// A disk of this many MiB with an empty file system.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn new(mebibytes: u64) -> Result<Self> {
        let disk = Self::blank()?;
        File::create(disk.image())?.set_len(mebibytes << 20)?;
        // Everything is written now: what mkfs leaves to the kernel would be recorded later, and a
        // discard could not be replayed.
        let options = "nodiscard,lazy_itable_init=0,lazy_journal_init=0";
        run(Command::new("mkfs.ext4").args(["-q", "-m", "0", "-E", options]).arg(disk.image()))?;
        Ok(disk)
    }

    /// A disk as `cut` leaves it.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn cut(replay: &Replay, cut: super::Cut) -> Result<Self> {
        let disk = Self::blank()?;
        replay.image(cut, &disk.image())?;
        Ok(disk)
    }

    fn blank() -> Result<Self> {
        let directory = tempfile::Builder::new().prefix("cambium-disk-").tempdir_in(MEMORY)?;
        Ok(Self { directory })
    }

    fn image(&self) -> PathBuf {
        self.directory.path().join("image")
    }

    /// Mounts it; what a cut of power left in its journal is replayed by that.
    ///
    /// # Errors
    /// When the kernel refuses the file system.
    pub fn mount(&self) -> Result<Mounted> {
        self.mount_at(&self.directory.path().join("mounted"))
    }

    /// The same at a place of one's own, for what keeps absolute paths.
    ///
    /// # Errors
    /// When the kernel refuses the file system.
    pub fn mount_at(&self, place: &Path) -> Result<Mounted> {
        Mounted::new(&self.image(), place)
    }

    /// Mounts it with every write recorded.
    ///
    /// # Errors
    /// When qemu-storage-daemon cannot be run or the mount fails.
    pub fn record(&self) -> Result<Recorder> {
        self.record_at(&self.directory.path().join("mounted"))
    }

    /// The same at a place of one's own.
    ///
    /// # Errors
    /// When qemu-storage-daemon cannot be run or the mount fails.
    pub fn record_at(&self, place: &Path) -> Result<Recorder> {
        Recorder::new(self.directory.path(), &self.image(), place)
    }
}

/// A mounted disk; unmounted when dropped.
#[derive(Debug)]
pub struct Mounted {
    at: PathBuf,
}

impl Mounted {
    fn new(device: &Path, at: &Path) -> Result<Self> {
        if !at.is_dir() {
            fs::create_dir(at)?;
        }
        run(Command::new("mount").args(["-t", "ext4", "-o", "loop"]).arg(device).arg(at))?;
        Ok(Self { at: at.to_owned() })
    }

    /// Where.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.at
    }

    /// Unmounts it, with nobody left on it.
    ///
    /// # Errors
    /// When it is in use.
    pub fn unmount(self) -> Result<()> {
        run(Command::new("umount").arg(&self.at))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        // It is unmounted already, or whoever is still on it goes with the test's namespaces.
        _ = unmount(&self.at, UnmountFlags::DETACH);
    }
}

/// A mounted disk whose writes are recorded.
#[derive(Debug)]
pub struct Recorder {
    // Unmounted before the process behind it ends.
    mounted: Option<Mounted>,
    storage: Child,
    before: PathBuf,
    log: PathBuf,
}

impl Recorder {
    fn new(directory: &Path, image: &Path, place: &Path) -> Result<Self> {
        let before = directory.join("before");
        run(Command::new("cp").args(["--sparse=always", "--"]).arg(image).arg(&before))?;
        let (log, device) = (directory.join("log"), directory.join(DEVICE));
        File::create(&log)?;
        File::create(&device)?;
        let mut command = Command::new("qemu-storage-daemon");
        for (name, path) in [("image", image), ("log", &log)] {
            let node = format!("driver=file,node-name={name},filename={}", path.display());
            command.args(["--blockdev", &node]);
        }
        // The number of entries is written with each, or acknowledgements could not be placed.
        let filter = format!(
            "driver=blklogwrites,node-name=recorded,file=image,log=log,\
             log-sector-size={SECTOR},log-super-update-interval=1"
        );
        let device_path = device.display();
        let export =
            format!("fuse,id=export,node-name=recorded,mountpoint={device_path},writable=on");
        command.args(["--blockdev", &filter, "--export", &export]);
        command.args(["--chardev", "stdio,id=control", "--monitor", "chardev=control"]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut storage =
            command.spawn().with_context(|| format!("cannot run `{}`", line(&command)))?;
        // It greets when all that stands before the monitor is in place.
        let mut greeting = String::new();
        let output = storage.stdout.as_mut().context("its output is a pipe")?;
        BufReader::new(output).read_line(&mut greeting)?;
        let mut recorder = Self { mounted: None, storage, before, log };
        ensure!(greeting.contains("QMP"), "`{}` did not start: {greeting}", line(&command));
        recorder.mounted = Some(Mounted::new(&device, place)?);
        Ok(recorder)
    }

    /// Where it is mounted.
    ///
    /// # Panics
    /// Never before [`Self::finish`].
    #[must_use]
    #[expect(clippy::expect_used, reason = "only `finish` takes it, with the recorder")]
    pub fn path(&self) -> &Path {
        self.mounted.as_ref().expect("mounted until it is finished").path()
    }

    /// How many writes and flushes the disk has completed: what is acknowledged now rests on them.
    ///
    /// # Errors
    /// When the log cannot be read.
    pub fn position(&self) -> Result<usize> {
        position(&self.log)
    }

    /// Unmounts the disk and tells what was written.
    ///
    /// # Errors
    /// When the disk is in use or the log cannot be read.
    pub fn finish(mut self) -> Result<Replay> {
        if let Some(mounted) = self.mounted.take() {
            mounted.unmount()?;
        }
        self.quit()?;
        Ok(Replay::new(self.before.clone(), WriteLog::read(&self.log)?))
    }

    fn quit(&mut self) -> Result<()> {
        let mut input = self.storage.stdin.take().context("its input is a pipe")?;
        input.write_all(b"{\"execute\": \"qmp_capabilities\"}\n{\"execute\": \"quit\"}\n")?;
        let status = self.storage.wait()?;
        ensure!(status.success(), "qemu-storage-daemon ended with {status}");
        Ok(())
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.mounted = None;
        // After `finish` it is gone already.
        _ = self.storage.kill();
        _ = self.storage.wait();
        // A killed exporter leaves its mount, by which the directory could not be removed.
        _ = unmount(self.before.with_file_name(DEVICE), UnmountFlags::DETACH);
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Cut, Sample, alone};
    use super::*;

    /// Writes a file; `sync` as told.
    fn write(path: &Path, sync: bool) {
        let mut file = File::create(path).unwrap();
        file.write_all(&[7; 9000]).unwrap();
        if sync {
            file.sync_all().unwrap();
            File::open(path.parent().unwrap()).unwrap().sync_all().unwrap();
        }
    }

    /// How many cuts after the acknowledgement lost the file.
    fn lost(sync: bool) -> (usize, usize) {
        let disk = Disk::new(16).unwrap();
        let recorder = disk.record().unwrap();
        write(&recorder.path().join("file"), sync);
        let acknowledged = recorder.position().unwrap();
        let replay = recorder.finish().unwrap();
        let cuts = replay.cuts(acknowledged, Sample { points: Some(12), seed: 3 });
        let lost = cuts.iter().filter(|cut| {
            let disk = Disk::cut(&replay, **cut).unwrap();
            let mounted = disk.mount().unwrap();
            let there = fs::read(mounted.path().join("file"));
            there.map_or(0, |bytes| bytes.len()) != 9000
        });
        (lost.count(), cuts.len())
    }

    #[test]
    fn what_was_synced_survives_each_cut_and_what_was_not_does_not() {
        let name = "powercut::disk::tests::\
                    what_was_synced_survives_each_cut_and_what_was_not_does_not";
        alone(name, || {
            let (synced, _) = lost(true);
            assert_eq!(synced, 0);
            let (unsynced, cuts) = lost(false);
            assert!(unsynced > 0, "none of {cuts} cuts lost what was never synced");
        });
    }

    #[test]
    fn a_cut_before_the_first_write_is_the_disk_as_it_was() {
        let name = "powercut::disk::tests::a_cut_before_the_first_write_is_the_disk_as_it_was";
        alone(name, || {
            let disk = Disk::new(16).unwrap();
            let recorder = disk.record().unwrap();
            write(&recorder.path().join("file"), true);
            let replay = recorder.finish().unwrap();
            for cut in [Cut::After(0), Cut::Losing(0, 1)] {
                let disk = Disk::cut(&replay, cut).unwrap();
                assert!(!disk.mount().unwrap().path().join("file").exists());
            }
            let all = Disk::cut(&replay, Cut::After(replay.entries())).unwrap();
            assert!(all.mount().unwrap().path().join("file").exists());
        });
    }
}
