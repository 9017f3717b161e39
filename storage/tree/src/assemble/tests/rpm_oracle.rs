//! The same packages through `rpm -i` into a plain root: the same scripts with the same numbers
//! and files in the same order, the same effects.
//!
//! Two differences are rpm-ostree's, which hosts rely on: every `%pre` runs before any `%post`,
//! where rpm takes package by package; and `%pretrans` does not run. So rpm's log is put in order
//! of phases, stably, before the two are compared.

use super::*;
use crate::fixture::{rpmbuild, system};
use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const LOG: &str = "usr/share/log";

/// The rest of a spec file: a file, a directory, a ghost, and whatever `scripts` says. `@` stands
/// for the package's name, `>>LOG` for appending to the log.
fn spec(name: &str, scripts: &str) -> String {
    let head = "\
%description
x
%prep
%install
mkdir -p %{buildroot}/usr/share/@/sub %{buildroot}/etc
echo @ > %{buildroot}/usr/share/@/sub/file
echo @ > %{buildroot}/etc/@.conf
%files
%dir /usr/share/@
/usr/share/@/sub
/etc/@.conf
%ghost /usr/share/@/ghost
";
    let text = format!("{head}{scripts}");
    text.replace('@', name).replace(">>LOG", &format!(">> /{LOG}"))
}

/// Every class of script that takes part, and those that do not.
const CLASSES: &str = "\
%pretrans
echo @.pretrans $1 >>LOG
%pre
echo @.pre $# $1 >>LOG
%post
echo @.post $# $1 >>LOG; mkdir -p /usr/lib/made-@; ln -s x /usr/lib/made-@/link
%posttrans
echo @.posttrans $# $1 >>LOG
%preun
echo @.preun $1 >>LOG
%postun
echo @.postun $1 >>LOG
";

/// Triggers of a package that is installed before.
const INSTALLED: &str = "\
%triggerprein -- a < 5
echo @.triggerprein $# $1 $2 >>LOG
%triggerin -- a >= 1
echo @.triggerin $# $1 $2 >>LOG
%triggerin -- b > 1
echo @.never >>LOG
%triggerun -- a
echo @.triggerun >>LOG
%filetriggerin -P 20000 -- /usr/share/a
(echo @.filetriggerin.high $# $1; while read f; do echo $f; done) >>LOG
%filetriggerin -P 100 -- /usr/share/a /etc
(echo @.filetriggerin.low $# $1; while read f; do echo $f; done) >>LOG
%filetriggerin -- /usr/share/a/ghost
(echo @.filetriggerin.default $# $1; while read f; do echo $f; done) >>LOG
%transfiletriggerin -P 5 -- /usr/share/a
echo @.transfiletriggerin.low $# $1 >>LOG
%transfiletriggerin -- /usr/share/a
echo @.transfiletriggerin $# $1 >>LOG
%transfiletriggerin -- /usr/share/nowhere
echo @.never >>LOG
";

/// Triggers of a new package.
const NEW: &str = "\
%triggerprein -- installed
echo @.triggerprein $# $1 $2 >>LOG
%triggerin -- installed < 2, nowhere
echo @.triggerin $# $1 $2 >>LOG
%triggerin -- a
echo @.triggerin.a $# $1 $2 >>LOG
%triggerin -- b
echo @.triggerin.b $# $1 $2 >>LOG
%filetriggerin -P 20000 -- /usr/share/installed /usr/share/a /usr/share/b
(echo @.filetriggerin.high $# $1; while read f; do echo $f; done) >>LOG
%filetriggerin -P 1 -- /etc
(echo @.filetriggerin.low $# $1; while read f; do echo $f; done) >>LOG
%transfiletriggerin -- /usr/share/installed /usr/share/a
echo @.transfiletriggerin $# $1 >>LOG
";

/// What both make of the same packages: our log and rpm's, our tree and rpm's.
struct Both {
    world: World,
    commit: Checksum,
    plain: PathBuf,
}

impl Both {
    /// Installs `new` onto `installed`; each is a name and its scripts.
    fn of(installed: &[(&str, &str)], new: &[(&str, &str)]) -> Self {
        let build = |dir: &Path, packages: &[(&str, &str)]| -> Vec<PathBuf> {
            packages.iter().map(|(name, text)| rpmbuild(dir, name, &spec(name, text))).collect()
        };
        let world = World::of(|dir| build(dir, installed), |_| {});
        let files = build(world.dir.path(), new);
        let commit = world.assemble(&world.layers_of(&files)).unwrap().commit;
        let plain = world.path("plain");
        system(&plain);
        fs::rename(plain.join("usr/etc"), plain.join("etc")).unwrap();
        for path in ["dev", "tmp", "var/tmp"] {
            fs::create_dir_all(plain.join(path)).unwrap();
        }
        rpm(&plain, &build(world.dir.path(), installed));
        drop(fs::remove_file(plain.join(LOG)));
        rpm(&plain, &files);
        Self { world, commit, plain }
    }

    fn check_logs(&self) {
        let ours = self.world.text(&self.commit, LOG).unwrap_or_default();
        let theirs = fs::read_to_string(self.plain.join(LOG)).unwrap_or_default();
        assert_eq!(steps(&ours), in_phases(&steps(&theirs)), "ours:\n{ours}\nrpm's:\n{theirs}");
    }

    /// The same paths in /usr and /etc, with the same types; rpm's own state aside.
    fn check_files(&self) {
        let ours = self.world.path("ours");
        let at = ours.to_str().unwrap();
        self.world.ostree(&["checkout", "--force-copy", self.commit.as_str(), at]);
        let mut found = paths(&ours.join("usr"), "usr");
        let mut expected = paths(&self.plain.join("usr"), "usr");
        expected.extend(paths(&self.plain.join("etc"), "usr/etc"));
        for own in ["usr/share/rpm", "usr/lib/sysimage", "usr/lib/rpm-ostree", "usr/lib/tmpfiles.d"]
        {
            found.retain(|path| !path.starts_with(own));
            expected.retain(|path| !path.starts_with(own));
        }
        let only = |a: &BTreeSet<String>, b: &BTreeSet<String>| -> Vec<String> {
            a.difference(b).cloned().collect()
        };
        assert_eq!(only(&found, &expected), [""; 0], "only ours");
        assert_eq!(only(&expected, &found), [""; 0], "only rpm's");
    }
}

fn rpm(root: &Path, files: &[PathBuf]) {
    if files.is_empty() {
        return;
    }
    let mut rpm = Command::new("rpm");
    rpm.arg("--root").arg(root).args(["--dbpath", "/usr/share/rpm", "--nodeps", "--noorder"]);
    let output = rpm.args(["--force-debian", "-i"]).args(files).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// A log as one entry per script, its files with it.
fn steps(log: &str) -> Vec<String> {
    let mut steps: Vec<String> = Vec::new();
    for line in log.lines() {
        match steps.last_mut().filter(|_| line.starts_with('/')) {
            Some(step) => *step += &format!(" {line}"),
            None => steps.push(line.to_owned()),
        }
    }
    steps
}

fn in_phases(steps: &[String]) -> Vec<String> {
    let phase = |step: &&String| match step.split(['.', ' ']).nth(1).unwrap_or_default() {
        "pretrans" => None,
        "pre" | "triggerprein" => Some(0),
        "posttrans" => Some(2),
        "transfiletriggerin" => Some(3),
        _ => Some(1),
    };
    let mut steps: Vec<_> = steps.iter().filter(|step| phase(step).is_some()).collect();
    steps.sort_by_key(phase);
    steps.into_iter().cloned().collect()
}

/// Every path below `dir`, directories with a slash at their end.
fn paths(dir: &Path, prefix: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::from([format!("{prefix}/")]);
    for entry in fs::read_dir(dir).unwrap() {
        let entry = entry.unwrap();
        let path = format!("{prefix}/{}", entry.file_name().into_string().unwrap());
        if entry.file_type().unwrap().is_dir() {
            found.extend(paths(&entry.path(), &path));
        } else {
            found.insert(path);
        }
    }
    found
}

#[test]
fn one_package_of_every_class_is_installed_as_by_rpm() {
    let new = format!("{CLASSES}{NEW}");
    let both = Both::of(&[("installed", INSTALLED)], &[("a", &new)]);
    both.check_logs();
    both.check_files();
}

#[test]
fn packages_set_off_each_others_triggers_as_in_rpm() {
    let new = format!("{CLASSES}{NEW}");
    let both = Both::of(&[("installed", INSTALLED)], &[("a", &new), ("b", &new)]);
    both.check_logs();
    both.check_files();
}

#[test]
fn interpreters_and_their_flags_are_rpms() {
    let flags = "\
%pre -p /bin/bash
[ -n \"$BASH_VERSION\" ] && echo @.pre $# $1 $RPM_INSTALL_PREFIX $RPM_INSTALL_PREFIX0 >>LOG
%post -e
echo @.post %%{_bindir} %%(echo from-a-shell) $1 >>LOG
%posttrans -q
echo @.posttrans %%{NAME}-%%{VERSION} [%%{BASENAMES},] $1 >>LOG
%triggerin -e -p <lua> -- installed
local f = io.open(\"/usr/share/log\", \"a\")
f:write(\"@.triggerin.lua %%{_bindir} \", arg[2], \" \", arg[3], \"\\n\")
f:close()
";
    let installed = "\
%filetriggerin -q -- /usr/share/a
(echo @.filetriggerin %%{NAME} $1; while read f; do echo $f; done) >>LOG
";
    let both = Both::of(&[("installed", installed)], &[("a", flags)]);
    both.check_logs();
    let log = both.world.text(&both.commit, LOG).unwrap();
    assert!(log.contains("a.post /usr/bin from-a-shell 1"), "{log}");
    assert!(log.contains("a.posttrans a-1 "), "{log}");
}

#[test]
fn lua_has_rpms_tables_numbers_and_files() {
    let lua = "\
%post -p <lua>
local f = io.open(\"/usr/share/log\", \"a\")
f:write(\"@.post \", #arg, \" \", arg[1], \" \", arg[2] + 1, \" \", math.type(arg[2]), \" \", #opt, \"\\n\")
f:write(\"@.post \", posix.stat(\"/usr/share/@/sub/file\", \"type\"), \" \",
    rpm.expand(\"%%{_sysconfdir}\"), \" \", tostring(rpm.next_file), \"\\n\")
f:write(\"@.post \", tostring(RPM_INSTALL_PREFIX), \" \", tostring(pcall(os.exit, 1)), \"\\n\")
f:close()
posix.mkdir(\"/usr/share/@/by-lua\")
posix.symlink(\"file\", \"/usr/share/@/sub/link\")
rpm.execute(\"/bin/sh\", \"-c\", \"echo @.post by a child >> /usr/share/log\")
local pid = posix.fork()
if pid == 0 then posix.exec(\"/bin/touch\", \"/usr/share/@/by-exec\") else posix.wait(pid) end
print(\"printed\")
%filetriggerin -p <lua> -- /usr/share/installed
local f = io.open(\"/usr/share/log\", \"a\")
f:write(\"@.filetriggerin \", #arg, \" \", arg[2], \"\\n\")
local file = rpm.next_file()
while file do
  f:write(file, \"\\n\")
  file = rpm.next_file()
end
f:close()
";
    let both = Both::of(&[("installed", "")], &[("a", lua)]);
    both.check_logs();
    both.check_files();
}

#[test]
fn a_relocatable_package_is_told_where_it_lies() {
    let dir = tempfile::tempdir().unwrap();
    let rest = "Prefix: /usr/lib/one\nPrefix: /etc\n%description\nx\n%prep\n%install\n\
        mkdir -p %{buildroot}/usr/lib/one\necho x > %{buildroot}/usr/lib/one/x\n%files\n\
        /usr/lib/one\n%post\n\
        echo $RPM_INSTALL_PREFIX $RPM_INSTALL_PREFIX0 $RPM_INSTALL_PREFIX1 > /usr/share/log\n\
        %posttrans -p <lua>\nlocal f = io.open('/usr/share/log', 'a')\n\
        f:write(RPM_INSTALL_PREFIX[1], ' ', RPM_INSTALL_PREFIX[2], '\\n')\nf:close()\n";
    let file = rpmbuild(dir.path(), "moves", rest);
    let world = World::new();
    let commit = world.assemble(&world.layers_of(&[file])).unwrap().commit;
    let log = world.text(&commit, LOG).unwrap();
    assert_eq!(log, "/usr/lib/one /usr/lib/one /etc\n/usr/lib/one /etc\n");
}
