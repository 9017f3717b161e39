//! tmpfiles.d lines for what a tree cannot hold: state below /var, /run and /usr/local.
//!
//! Source of the format: tmpfiles.d(5), and what systemd 252 makes of it: fields are split at white
//! space and may stand in double quotes, where `\\` escapes; `%` begins a specifier. A link's
//! target is the rest of its line, in which C escapes are read. Newer versions read C escapes in
//! fields too.

use crate::error::{Error, Result};
use crate::header::{FileInfo, FileType};

/// The line for a file, with its newline.
///
/// # Errors
/// [`Error::UnsafePath`] for a symlink whose target cannot stand in a line,
/// [`Error::UnsupportedPath`] for a device.
pub(super) fn line(package: &str, file: &FileInfo) -> Result<String> {
    let kind = match file.file_type() {
        FileType::Directory => 'd',
        FileType::Regular => 'f',
        FileType::Symlink => {
            if file.link_target.is_empty() || file.link_target.contains(['\n', '\r']) {
                return Err(Error::UnsafePath {
                    package: package.to_owned(),
                    path: file.path.clone(),
                    problem: "its target cannot be written in a tmpfiles.d line",
                });
            }
            return Ok(link(&file.path, &file.link_target));
        }
        FileType::Special => {
            let (package, path) = (package.to_owned(), file.path.clone());
            return Err(Error::UnsupportedPath { package, path });
        }
    };
    let path = escape(runtime_path(&file.path).as_str());
    let (mode, user, group) = (file.mode & 0o7777, escape(&file.user), escape(&file.group));
    Ok(format!("{kind} {path} {mode:04o} {user} {group} - -\n"))
}

/// A line that makes a symlink.
pub(super) fn link(path: &str, target: &str) -> String {
    let target = target.replace('\\', "\\\\").replace('%', "%%");
    format!("L {} - - - - {target}\n", escape(&runtime_path(path)))
}

/// tmpfiles.d warns about paths below legacy links, so lines use the real directories.
fn runtime_path(path: &str) -> String {
    for (legacy, real) in [("/var/run/", "/run/"), ("/var/lock/", "/run/lock/")] {
        if let Some(rest) = path.strip_prefix(legacy) {
            return format!("{real}{rest}");
        }
    }
    path.to_owned()
}

/// One field of a line.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 2);
    for letter in text.chars() {
        match letter {
            '%' => escaped.push_str("%%"),
            '"' | '\\' => escaped.extend(['\\', letter]),
            // Only newer versions read this; as it is, it would end the line.
            _ if letter.is_ascii_control() => {
                escaped.push_str(&format!("\\x{:02x}", u32::from(letter)));
            }
            _ => escaped.push(letter),
        }
    }
    let plain = |letter: char| !letter.is_whitespace() && !matches!(letter, '"' | '\'' | '\\');
    if text.chars().all(plain) { escaped } else { format!("\"{escaped}\"") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, mode: u32, target: &str, expected: &str) {
        let file = FileInfo {
            path: path.into(),
            mode,
            user: "root".into(),
            group: "adm".into(),
            link_target: target.into(),
            ..FileInfo::default()
        };
        assert_eq!(line("p", &file).unwrap(), format!("{expected}\n"));
    }

    #[test]
    fn each_type_has_its_line() {
        check("/var/lib/x", 0o040_755, "", "d /var/lib/x 0755 root adm - -");
        check("/var/log/x", 0o100_640, "", "f /var/log/x 0640 root adm - -");
        check("/var/x", 0o120_777, "../run/x", "L /var/x - - - - ../run/x");
        check("/var/run/x", 0o042_775, "", "d /run/x 2775 root adm - -");
    }

    #[test]
    fn nothing_in_a_name_can_add_a_field_or_a_line() {
        let expected = "d \"/var/a b\\x0a%%h\\\"\" 0700 root adm - -";
        check("/var/a b\n%h\"", 0o040_700, "", expected);
        check("/var/x", 0o120_777, "a %b\\", "L /var/x - - - - a %%b\\\\");
        check("/var/é", 0o040_700, "", "d /var/é 0700 root adm - -");
        let link =
            FileInfo { mode: 0o120_777, link_target: "a\nd /x".into(), ..FileInfo::default() };
        assert!(matches!(line("p", &link), Err(Error::UnsafePath { .. })));
    }

    #[test]
    fn a_device_is_refused() {
        let device = FileInfo { mode: 0o020_600, ..FileInfo::default() };
        assert!(matches!(line("p", &device), Err(Error::UnsupportedPath { .. })));
    }
}
