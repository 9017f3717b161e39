//! What the treefile does to the tree once the packages' scripts are over, in rpm-ostree's order:
//! units, default target, remove-files, os-release, add-files, scripts.

use super::Error;
use super::confined::{Call, Confined};
use super::root::Root;
use super::treefile::{Loaded, Scalar};
use super::{files, units, version};
use cambium_model::Observer;

/// Where the image keeps the treefile that it was made from.
const TREEFILE: &str = "/usr/share/rpm-ostree/treefile.json";

/// Does it all.
pub(crate) fn run(
    root: &Root,
    confined: &Confined<'_>,
    loaded: &Loaded,
    next_version: Option<&str>,
    observer: &dyn Observer,
) -> Result<(), Error> {
    let treefile = &loaded.treefile;
    let json = treefile.to_json().map_err(Error::json)?;
    root.write(TREEFILE, json.as_bytes(), 0o644)?;
    for unit in &treefile.units {
        units::enable(root, unit)?;
    }
    if let Some(target) = &treefile.default_target {
        units::set_default(root, target)?;
    }
    files::remove(root, loaded)?;
    if let (Some(Scalar(base)), Some(next)) = (&treefile.mutate_os_release, next_version) {
        os_release(root, base, next)?;
    }
    files::add(root, loaded)?;
    for (index, script) in treefile.postprocess.iter().enumerate() {
        let name = format!("postprocess script {}", index + 1);
        observer.message(format!("Executing inline {name}"));
        confined.script(script.as_bytes(), Call { name: &name, ..Call::default() })?;
    }
    if let Some(path) = &loaded.externals.postprocess_script {
        let script = std::fs::read(path).map_err(|source| Error::read(path, source))?;
        observer.message(format!("Executing postprocessing script {}", path.display()));
        confined.script(&script, Call { name: "postprocess-script", ..Call::default() })?;
    }
    Ok(())
}

/// The real os-release, behind the links that lead to it: they are relative to /etc, and the tree
/// has that in /usr.
fn os_release(root: &Root, base: &str, next: &str) -> Result<(), Error> {
    let path = "/usr/lib/os-release";
    let text = root.read_text(path)?.ok_or(Error::NoOsRelease)?;
    root.write(path, version::os_release(&text, base, next).as_bytes(), 0o644)
}
