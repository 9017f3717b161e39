//! How one script becomes one program in the sandbox: its interpreter and arguments, rpm's Lua,
//! and before that the macros (`-e`) and queries (`-q`) of its text.
//!
//! Source: rpm 4.18's lib/rpmscript.c. Macros can run programs (`%(…)`) and Lua, so expansion is a
//! run of its own in the sandbox, whose output is the text: it is data here and nothing more.

use super::librpm::RpmProgram;
use crate::{Error, Result};
use cambium_model::{Nevra, Unobserved};
use cambium_rpm::Header;
use cambium_rpm::rpmdb::{Update, create};
use cambium_rpm::scriptlets::Script;
use cambium_sandbox::{Access, Bind, Program};
use std::fs;
use std::path::{Path, PathBuf};

/// Where the files of an interpreter's run are shown inside.
const SHOWN: &str = "/run/cambium-interpreter";
/// Stands around an expanded text in the output. Warnings of rpm are outside.
const MARK: &str = "--cambium-text-4f0c93--";
/// Bytes that a text may expand to.
pub(super) const EXPANDED: usize = 1 << 20;

/// A program to run inside.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) program: Program,
    pub(super) arguments: Vec<String>,
    pub(super) environment: Vec<(String, String)>,
    pub(super) binds: Vec<Bind>,
    pub(super) stdin: Vec<u8>,
}

/// Makes runs out of scripts.
pub(super) struct Interpreters {
    usr: PathBuf,
    /// A directory of this transaction's, for the files that a run is shown.
    files: PathBuf,
    rpm: std::cell::OnceCell<Option<RpmProgram>>,
}

impl Interpreters {
    /// For a tree whose `usr` is at `usr`; `files` is made when it is needed.
    pub(super) fn new(usr: &Path, files: PathBuf) -> Self {
        Self { usr: usr.to_owned(), files, rpm: std::cell::OnceCell::new() }
    }

    /// The run of a script whose text is ready. `input` is what it reads.
    pub(super) fn run(&self, script: &Script, input: Option<Vec<u8>>) -> Result<Run> {
        let mut environment = Vec::new();
        for (at, prefix) in script.install_prefixes.iter().enumerate() {
            if at == 0 {
                environment.push(("RPM_INSTALL_PREFIX".to_owned(), prefix.clone()));
            }
            environment.push((format!("RPM_INSTALL_PREFIX{at}"), prefix.clone()));
        }
        if script.is_lua() {
            let start = start(script, input.is_some());
            let name = [("start", start.as_bytes()), ("script", script.body.as_bytes())];
            let stdin = input.unwrap_or_default();
            return self.by_rpm(script, &name, environment, stdin);
        }
        let mut arguments = Vec::new();
        let program = if script.body.is_empty() {
            // `%post -p /sbin/ldconfig`: rpm gives such a program no number.
            let mut words = script.interpreter.iter();
            let program = words.next().map_or("/bin/true", String::as_str);
            arguments.extend(words.cloned());
            Program::Command(program.into())
        } else {
            arguments.extend(script.arguments.iter().map(u32::to_string));
            let text = script.body.clone().into_bytes();
            Program::Script { interpreter: script.interpreter.clone(), text }
        };
        let stdin = input.unwrap_or_default();
        Ok(Run { program, arguments, environment, binds: Vec::new(), stdin })
    }

    /// The run whose output holds `text` with its macros expanded.
    pub(super) fn expansion(&self, script: &Script, text: &str) -> Result<Run> {
        let start = format!(
            "local file = assert(io.open('{SHOWN}/text', 'rb'))\n\
             local text = rpm.expand(file:read('a'))\n\
             io.stdout:write('{MARK}', text, '{MARK}')\n"
        );
        let files = [("start", start.as_bytes()), ("text", text.as_bytes())];
        self.by_rpm(script, &files, Vec::new(), Vec::new())
    }

    /// The run whose output holds `text` with its queries of the new package `header` formatted.
    pub(super) fn query_new(&self, script: &Script, header: &Header, text: &str) -> Result<Run> {
        let database = self.empty_database()?;
        create(&database, &Update { add: vec![header], remove: vec![], time: 0 }, &Unobserved)?;
        self.query(script, database, text)
    }

    /// The same for a package that was installed before, in the rpmdb in `installed`.
    pub(super) fn query_installed(
        &self,
        script: &Script,
        installed: &Path,
        text: &str,
    ) -> Result<Run> {
        // A copy, since the tree's own rpm opens it and could do anything with it.
        let database = self.empty_database()?;
        for entry in fs::read_dir(installed).map_err(Error::io("list", installed))? {
            let path = entry.map_err(Error::io("list", installed))?.path();
            if let Some(name) = path.file_name().filter(|_| path.is_file()) {
                fs::copy(&path, database.join(name)).map_err(Error::io("copy", &path))?;
            }
        }
        self.query(script, database, text)
    }

    fn empty_database(&self) -> Result<PathBuf> {
        let database = self.files.join("rpmdb");
        if database.exists() {
            fs::remove_dir_all(&database).map_err(Error::io("remove", &database))?;
        }
        fs::create_dir_all(&database).map_err(Error::io("create", &database))?;
        Ok(database)
    }

    fn query(&self, script: &Script, database: PathBuf, text: &str) -> Result<Run> {
        let target = format!("{SHOWN}/rpmdb");
        let format = format!("{MARK}{text}{MARK}");
        // Without the epoch, which not every rpm reads in a package's name.
        let Nevra { name, evr, arch } = &script.package;
        let package = format!("{name}-{}-{}.{arch}", evr.version, evr.release);
        let words = ["--dbpath", &target, "--query", "--queryformat", &format, &package];
        let mut run = self.rpm(script, words.map(str::to_owned).into(), Vec::new())?;
        run.binds.push(Bind { source: database, target: target.into(), access: Access::ReadWrite });
        Ok(run)
    }

    /// The text in the output of an expansion or a query.
    pub(super) fn text(output: &str) -> Option<String> {
        let (_, rest) = output.split_once(MARK)?;
        rest.rsplit_once(MARK).map(|(text, _)| text.to_owned())
    }

    /// A run of rpm's Lua that begins with the file `start`.
    fn by_rpm(
        &self,
        script: &Script,
        files: &[(&str, &[u8])],
        environment: Vec<(String, String)>,
        stdin: Vec<u8>,
    ) -> Result<Run> {
        let words = vec!["--eval".into(), format!("%{{lua:dofile('{SHOWN}/start')}}")];
        let mut run = self.rpm(script, words, environment)?;
        run.stdin = stdin;
        fs::create_dir_all(&self.files).map_err(Error::io("create", &self.files))?;
        for (name, content) in files {
            let source = self.files.join(name);
            fs::write(&source, content).map_err(Error::io("write", &source))?;
            let target = format!("{SHOWN}/{name}").into();
            run.binds.push(Bind { source, target, access: Access::ReadOnly });
        }
        Ok(run)
    }

    fn rpm(
        &self,
        script: &Script,
        words: Vec<String>,
        mut environment: Vec<(String, String)>,
    ) -> Result<Run> {
        if self.rpm.get().is_none() {
            // Set once: nobody else can have done it between.
            drop(self.rpm.set(RpmProgram::find(&self.usr)?));
        }
        let Some(Some(rpm)) = self.rpm.get() else {
            let reason = "it needs rpm's own interpreter, and neither the tree nor this host has \
                          /usr/bin/rpm; install rpm on this host";
            let (script, reason) = (super::name(script), reason.to_owned());
            return Err(Error::Unsupported { script, reason });
        };
        let mut command = rpm.command.iter();
        let program = command.next().map_or(Path::new("/usr/bin/rpm"), |word| Path::new(word));
        let program = Program::Command(program.to_owned());
        let arguments = command.cloned().chain(words).collect();
        environment.extend(rpm.environment.iter().cloned());
        let binds = rpm.binds.clone();
        Ok(Run { program, arguments, environment, binds, stdin: Vec::new() })
    }
}

/// The Lua that runs a Lua scriptlet as rpm does: `arg` with `<lua>` and the numbers, the
/// prefixes, and the files of a trigger by `rpm.next_file`. `print` writes at once, where
/// `rpm --eval` would keep it as the text of the macro.
fn start(script: &Script, has_input: bool) -> String {
    let numbers: String = script.arguments.iter().map(|number| format!(", {number}")).collect();
    let mut lua = format!(
        "io.stdout:setvbuf('no')\n\
         print = function(...)\n\
         local words = table.pack(...)\n\
         for at = 1, words.n do words[at] = tostring(words[at]) end\n\
         io.stdout:write(table.concat(words, '\\t'), '\\n')\n\
         end\n\
         arg = {{'<lua>'{numbers}}}\n"
    );
    if has_input {
        lua += "rpm.next_file = function() return io.read('l') end\nrpm.input = rpm.next_file\n";
    }
    if !script.install_prefixes.is_empty() {
        let list: Vec<_> = script.install_prefixes.iter().map(|prefix| literal(prefix)).collect();
        lua += &format!("RPM_INSTALL_PREFIX = {{{}}}\n", list.join(", "));
    }
    let name = literal(&format!("={}", super::name(script)));
    lua + &format!(
        "local file = assert(io.open('{SHOWN}/script', 'rb'))\n\
         local text = 'local opt, arg = ...; ' .. file:read('a')\n\
         file:close()\n\
         assert(load(text, {name}))({{}}, arg)\n"
    )
}

/// A text as a Lua literal in which nothing can end it.
fn literal(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+=:".contains(&byte);
    let letter = |byte: u8| match plain(byte) {
        true => char::from(byte).to_string(),
        false => format!("\\{byte:03}"),
    };
    format!("'{}'", text.bytes().map(letter).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_literal_is_one_whatever_it_holds() {
        assert_eq!(literal("/opt/x"), "'/opt/x'");
        assert_eq!(literal("a'\\\n}"), "'a\\039\\092\\010\\125'");
    }

    #[test]
    fn the_text_is_between_the_marks() {
        let output = format!("warning: x\n{MARK}a\n{MARK}b{MARK}\n");
        assert_eq!(Interpreters::text(&output).unwrap(), format!("a\n{MARK}b"));
        assert_eq!(Interpreters::text("nothing"), None);
    }
}
