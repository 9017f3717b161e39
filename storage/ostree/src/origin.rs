//! The origin file of a deployment: a GKeyFile, read as a typed [`Origin`] and written back.
//!
//! Format: surface §1.6. Keys and groups that the typed view does not name are kept; what libostree
//! marks as passing (`[libostree-transient]`: pins and the like) is not carried on.

use crate::error::{Error, Result};
use cambium_model::{LocalPackage, Origin, Refspec};

/// libostree's group for the state of one deployment.
const TRANSIENT: &str = "libostree-transient";

/// Where the base is named: which of the three keys is used says what it is.
const REFSPEC_KEYS: [&str; 3] = ["refspec", "baserefspec", "container-image-reference"];

/// Reads an origin file.
///
/// # Errors
/// [`Error::Corrupt`] where it is no key file, names no base, or a value does not parse.
pub fn parse_origin(text: &str) -> Result<Origin> {
    let file = load(text)?;
    let string = |group, key| file.string(group, key).ok().map(String::from);
    let named = REFSPEC_KEYS.iter().find_map(|key| string("origin", key));
    let named = named.ok_or_else(|| damaged("it names no refspec"))?;
    let refspec: Refspec =
        named.parse().map_err(|e: cambium_model::InvalidRefspec| damaged(&e.to_string()))?;
    let list = |group, key| -> Vec<String> {
        let values = file.string_list(group, key).map(|list| {
            list.iter().map(ToString::to_string).filter(|item| !item.is_empty()).collect()
        });
        values.unwrap_or_default()
    };
    let locals = |group, key| -> Result<Vec<LocalPackage>> {
        list(group, key).iter().map(|item| local(item)).collect()
    };
    let flag = |key| file.boolean("rpmostree", key).unwrap_or(false);
    let override_commit = string("origin", "override-commit")
        .map(|commit| commit.parse())
        .transpose()
        .map_err(|error: cambium_model::InvalidChecksum| damaged(&error.to_string()))?;
    let mut requested = list("packages", "requested");
    requested.sort();
    Ok(Origin {
        refspec,
        override_commit,
        unconfigured_state: string("origin", "unconfigured-state"),
        requested,
        requested_local: locals("packages", "requested-local")?,
        requested_local_fileoverride: locals("packages", "requested-local-fileoverride")?,
        override_remove: list("overrides", "remove"),
        override_replace_local: locals("overrides", "replace-local")?,
        regenerate_initramfs: flag("regenerate-initramfs"),
        initramfs_args: list("rpmostree", "initramfs-args"),
        initramfs_etc: list("rpmostree", "initramfs-etc"),
        cliwrap: flag("ex-cliwrap"),
    })
}

/// Writes an origin file: `previous`, the text of the one before, with the keys of `origin` in
/// their new state.
///
/// # Errors
/// [`Error::Corrupt`] where `previous` is no key file.
pub fn render_origin(origin: &Origin, previous: Option<&str>) -> Result<String> {
    let file = load(previous.unwrap_or_default())?;
    // Absent groups and keys are what is wanted here.
    drop(file.remove_group(TRANSIENT));
    let Origin {
        refspec,
        override_commit,
        unconfigured_state,
        requested,
        requested_local,
        requested_local_fileoverride,
        override_remove,
        override_replace_local,
        regenerate_initramfs,
        initramfs_args,
        initramfs_etc,
        cliwrap,
    } = origin;
    let named = match refspec {
        Refspec::Container(_) => "container-image-reference",
        _ if origin.needs_assembly() => "baserefspec",
        _ => "refspec",
    };
    for key in REFSPEC_KEYS {
        let value = (key == named).then(|| refspec.to_string());
        set_string(&file, "origin", key, value.as_deref());
    }
    let commit = override_commit.as_ref().map(ToString::to_string);
    set_string(&file, "origin", "override-commit", commit.as_deref());
    set_string(&file, "origin", "unconfigured-state", unconfigured_state.as_deref());
    set_list(&file, "packages", "requested", requested);
    set_list(&file, "packages", "requested-local", &local_texts(requested_local));
    let fileoverride = local_texts(requested_local_fileoverride);
    set_list(&file, "packages", "requested-local-fileoverride", &fileoverride);
    set_list(&file, "overrides", "remove", override_remove);
    set_list(&file, "overrides", "replace-local", &local_texts(override_replace_local));
    set_flag(&file, "regenerate-initramfs", *regenerate_initramfs);
    set_list(&file, "rpmostree", "initramfs-args", initramfs_args);
    set_list(&file, "rpmostree", "initramfs-etc", initramfs_etc);
    set_flag(&file, "ex-cliwrap", *cliwrap);
    for group in file.groups().iter() {
        if file.keys(group).is_ok_and(|keys| keys.is_empty()) {
            drop(file.remove_group(group));
        }
    }
    Ok(file.to_data().to_string())
}

/// The key file in `text`.
pub(crate) fn load(text: &str) -> Result<glib::KeyFile> {
    let file = glib::KeyFile::new();
    // GLib takes C strings, and the binding panics where there is none.
    if text.contains('\0') {
        return Err(damaged("it holds a zero byte"));
    }
    if !text.trim().is_empty() {
        file.load_from_data(text, glib::KeyFileFlags::NONE)
            .map_err(|error| damaged(error.message()))?;
    }
    Ok(file)
}

fn damaged(reason: &str) -> Error {
    Error::Corrupt { what: "The origin file".into(), reason: reason.to_owned() }
}

/// `sha256:nevra`. The NEVRA may hold colons, the checksum does not.
fn local(item: &str) -> Result<LocalPackage> {
    let (sha256, nevra) = item
        .split_once(':')
        .ok_or_else(|| damaged(&format!("'{item}' is not of the form sha256:nevra")))?;
    Ok(LocalPackage { sha256: sha256.to_owned(), nevra: nevra.to_owned() })
}

fn local_texts(packages: &[LocalPackage]) -> Vec<String> {
    packages.iter().map(|package| format!("{}:{}", package.sha256, package.nevra)).collect()
}

fn set_string(file: &glib::KeyFile, group: &str, key: &str, value: Option<&str>) {
    match value {
        Some(value) => file.set_string(group, key, value),
        None => drop(file.remove_key(group, key)),
    }
}

fn set_list(file: &glib::KeyFile, group: &str, key: &str, values: &[String]) {
    if values.is_empty() {
        drop(file.remove_key(group, key));
    } else {
        let text: String = values.iter().map(|value| escape(value) + ";").collect();
        file.set_value(group, key, &text);
    }
}

/// One item of a list as GKeyFile writes it; the binding has no call for lists.
fn escape(item: &str) -> String {
    let mut escaped = String::with_capacity(item.len());
    for (n, c) in item.chars().enumerate() {
        match c {
            ' ' if n == 0 => escaped.push_str("\\s"),
            '\t' => escaped.push_str("\\t"),
            '\n' => escaped.push_str("\\n"),
            '\r' => escaped.push_str("\\r"),
            '\\' => escaped.push_str("\\\\"),
            ';' => escaped.push_str("\\;"),
            c => escaped.push(c),
        }
    }
    escaped
}

fn set_flag(file: &glib::KeyFile, key: &str, value: bool) {
    if value {
        file.set_boolean("rpmostree", key, true);
    } else {
        drop(file.remove_key("rpmostree", key));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn names() -> impl Strategy<Value = Vec<String>> {
        proptest::collection::btree_set("[a-z][a-z0-9 =;:-]{0,8}[a-z]", 0..4)
            .prop_map(|set| set.into_iter().collect())
    }

    fn locals() -> impl Strategy<Value = Vec<LocalPackage>> {
        proptest::collection::vec(("[0-9a-f]{64}", "[a-z]{1,6}-[0-9]:[0-9]-1\\.x86_64"), 0..3)
            .prop_map(|all| {
                all.into_iter().map(|(sha256, nevra)| LocalPackage { sha256, nevra }).collect()
            })
    }

    prop_compose! {
        fn origins()(
            refspec in prop_oneof![
                "[a-z]{1,5}:[a-z]{1,5}/[0-9]{1,2}",
                "[0-9a-f]{64}",
                "ostree-unverified-registry:[a-z]{1,5}/[a-z]{1,5}:latest",
            ],
            override_commit in proptest::option::of("[0-9a-f]{64}"),
            unconfigured_state in proptest::option::of("[a-z ]{1,9}[a-z]"),
            requested in names(),
            requested_local in locals(),
            requested_local_fileoverride in locals(),
            override_remove in names(),
            override_replace_local in locals(),
            flags in any::<(bool, bool)>(),
            initramfs_args in names(),
            initramfs_etc in names(),
        ) -> Origin {
            Origin {
                refspec: refspec.parse().unwrap(),
                override_commit: override_commit.map(|commit| commit.parse().unwrap()),
                unconfigured_state: unconfigured_state.map(|text| text.trim().to_owned()),
                requested,
                requested_local,
                requested_local_fileoverride,
                override_remove,
                override_replace_local,
                regenerate_initramfs: flags.0,
                initramfs_args,
                initramfs_etc,
                cliwrap: flags.1,
            }
        }
    }

    proptest! {
        #[test]
        fn parse_reads_what_render_wrote(origin in origins(), before in origins()) {
            let text = render_origin(&before, None).unwrap();
            let text = render_origin(&origin, Some(&text)).unwrap();
            prop_assert_eq!(parse_origin(&text).unwrap(), origin);
        }

        #[test]
        fn no_text_makes_it_panic(text in "(?s).{0,200}") {
            let _ = parse_origin(&text);
        }
    }

    fn check(text: &str, change: impl FnOnce(&mut Origin), expected: &str) {
        let mut origin = parse_origin(text).unwrap();
        change(&mut origin);
        assert_eq!(render_origin(&origin, Some(text)).unwrap().trim_end(), expected);
    }

    #[test]
    fn the_key_of_the_base_says_whether_something_is_layered() {
        let plain = "[origin]\nrefspec=fedora:x/y";
        let layered = "[origin]\nbaserefspec=fedora:x/y\n\n[packages]\nrequested=nano;vim;";
        let both = |origin: &mut Origin| origin.requested = vec!["nano".into(), "vim".into()];
        check(plain, both, layered);
        check(layered, |origin| origin.requested.clear(), plain);
    }

    #[test]
    fn foreign_keys_stay_and_passing_ones_go() {
        check(
            "[origin]\nrefspec=a:b\ncustom-url=u\n\n[libostree-transient]\npinned=true\n\n[x]\ny=1",
            |_| {},
            "[origin]\nrefspec=a:b\ncustom-url=u\n\n[x]\ny=1",
        );
    }

    #[test]
    fn damage_is_told() {
        for text in [
            "[origin",
            "[origin\n\0refspec",
            "",
            "[origin]\nrefspec=../x",
            "[origin]\nrefspec=a\noverride-commit=1",
        ] {
            let error = parse_origin(text).unwrap_err();
            assert_eq!(error.kind(), cambium_model::FailureKind::Corrupt, "{text}");
        }
    }
}
