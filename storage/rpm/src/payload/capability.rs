//! Extended attributes of a packaged file: capabilities and IMA signature.
//!
//! Sources: cap_text_formats(7) for the text; struct vfs_cap_data and vfs_ns_cap_data of
//! linux/capability.h for the bytes. The text is read here, not by libcap: rpm-ostree stored `=ep`
//! as `=ip` with Debian's libcap, and "all" must not depend on the kernel that composes a tree.

use crate::error::{Error, Result};
use crate::header::FileInfo;
use crate::payload::FileSignatures;

/// Names by number, without `cap_`. "All" is all of these.
const NAMES: [&str; 41] = [
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];
const ALL: u64 = (1 << NAMES.len()) - 1;
const REVISION_2: u32 = 0x0200_0000;
const REVISION_3: u32 = 0x0300_0000;
const EFFECTIVE: u32 = 1;

/// The attributes of a file, sorted by name.
pub(super) fn xattrs(
    package: &str,
    file: &FileInfo,
    signatures: FileSignatures,
) -> Result<Vec<(String, Vec<u8>)>> {
    let mut xattrs = Vec::new();
    let text = file.capabilities.as_str();
    // rpm writes an empty text for a file without, and `=` for one that had none left.
    if !matches!(text, "" | "=") {
        let value = encode(text).ok_or_else(|| Error::Capability {
            package: package.to_owned(),
            path: file.path.clone(),
            text: text.to_owned(),
        })?;
        xattrs.push(("security.capability".to_owned(), value));
    }
    if signatures == FileSignatures::Drop {
        return Ok(xattrs);
    }
    let digits = file.ima_signature.as_bytes();
    let value: Option<Vec<u8>> = digits
        .chunks(2)
        .map(|pair| {
            std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok())
        })
        .collect();
    match value {
        Some(value) if value.is_empty() => {}
        Some(value) if digits.len().is_multiple_of(2) => {
            xattrs.push(("security.ima".to_owned(), value))
        }
        _ => {
            return Err(Error::PayloadMismatch {
                package: package.to_owned(),
                problem: format!("has an IMA signature of {} that is no hex", file.path),
            });
        }
    }
    Ok(xattrs)
}

/// The value of `security.capability` for a text; `None` where there is no such value.
fn encode(text: &str) -> Option<Vec<u8>> {
    let (text, root) = match text.split_once('[') {
        Some((text, rest)) => {
            let root = rest.trim_end().strip_suffix(']')?.strip_prefix("rootid=")?;
            (text, Some(root.parse::<u32>().ok()?))
        }
        None => (text, None),
    };
    let (mut effective, mut permitted, mut inheritable) = (0u64, 0u64, 0u64);
    for clause in text.split_whitespace() {
        let start = clause.find(['=', '+', '-'])?;
        let (names, mut actions) = clause.split_at(start);
        let set = names_set(names)?;
        // Only `=` may stand without names: it then means all.
        let set = if names.is_empty() { actions.starts_with('=').then_some(ALL)? } else { set };
        while let Some(operator) = actions.chars().next() {
            let end = actions[1..].find(['=', '+', '-']).map_or(actions.len(), |end| end + 1);
            let flags = &actions[1..end];
            actions = &actions[end..];
            if operator == '=' {
                for target in [&mut effective, &mut permitted, &mut inheritable] {
                    *target &= !set;
                }
            } else if flags.is_empty() {
                return None;
            }
            for flag in flags.chars() {
                let target = match flag {
                    'e' => &mut effective,
                    'p' => &mut permitted,
                    'i' => &mut inheritable,
                    _ => return None,
                };
                if operator == '-' { *target &= !set } else { *target |= set }
            }
        }
    }
    // On disk, "effective" is one bit for all: a text that asks for some only cannot be stored.
    if effective != 0 && effective != permitted | inheritable {
        return None;
    }
    let revision = if root.is_some() { REVISION_3 } else { REVISION_2 };
    let magic = revision | if effective == 0 { 0 } else { EFFECTIVE };
    let words = [
        magic,
        permitted as u32,
        inheritable as u32,
        (permitted >> 32) as u32,
        (inheritable >> 32) as u32,
    ];
    Some(words.into_iter().chain(root).flat_map(u32::to_le_bytes).collect())
}

fn names_set(names: &str) -> Option<u64> {
    let mut set = 0;
    for name in names.split(',').filter(|_| !names.is_empty()) {
        let lower = name.to_ascii_lowercase();
        if lower == "all" {
            set |= ALL;
            continue;
        }
        let short = lower.strip_prefix("cap_")?;
        let by_name = NAMES.iter().position(|known| *known == short);
        // libcap prints capabilities that it does not know by number.
        let number = by_name.or_else(|| lower.parse().ok().filter(|number| *number < 64))?;
        set |= 1 << number;
    }
    Some(set)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<&[u32]>) {
        let bytes = expected.map(|words| words.iter().flat_map(|w| w.to_le_bytes()).collect());
        assert_eq!(encode(text), bytes, "{text}");
    }

    #[test]
    fn texts_become_what_setcap_stores() {
        check("cap_net_raw=ep", Some(&[0x0200_0001, 1 << 13, 0, 0, 0]));
        check("cap_net_raw+p", Some(&[0x0200_0000, 1 << 13, 0, 0, 0]));
        check("cap_net_admin,CAP_NET_RAW=p", Some(&[0x0200_0000, 3 << 12, 0, 0, 0]));
        check("cap_checkpoint_restore=ei", Some(&[0x0200_0001, 0, 0, 0, 1 << 8]));
        check("cap_setuid=ep cap_setgid=ep", Some(&[0x0200_0001, 3 << 6, 0, 0, 0]));
        check("cap_chown=eip cap_chown-i", Some(&[0x0200_0001, 1, 0, 0, 0]));
        check("= cap_chown+p", Some(&[0x0200_0000, 1, 0, 0, 0]));
    }

    #[test]
    fn all_is_effective_and_permitted_not_inheritable() {
        check("=ep", Some(&[0x0200_0001, u32::MAX, 0, 0x1ff, 0]));
        check("all=p", Some(&[0x0200_0000, u32::MAX, 0, 0x1ff, 0]));
    }

    #[test]
    fn a_root_id_needs_the_third_revision() {
        check("cap_net_raw=ep [rootid=1000]", Some(&[0x0300_0001, 1 << 13, 0, 0, 0, 1000]));
    }

    #[test]
    fn what_cannot_be_stored_is_refused() {
        for text in [
            "cap_no_such=ep",
            "cap_chown",
            "+ep",
            "cap_chown=x",
            "cap_chown+",
            "cap_chown+e",
            "cap_chown=ep cap_kill=p",
            "cap_chown=p [rootid=x]",
            "net_raw=ep",
        ] {
            check(text, None);
        }
    }
}
