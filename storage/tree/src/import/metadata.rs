//! What the commit of a package says of it, written with rpm-ostree's keys and types, and read
//! back to find out whether an import is still good.

use super::{ImportOptions, Rpm, labels};
use crate::{Error, Result};
use cambium_model::{Checksum, Nevra};
use cambium_ostree::{Metadata, Repo};
use cambium_rpm::{
    Documentation, FileSignatures, Header, ImportMetadata, PayloadOptions, ref_of_package,
};
use glib::variant::ToVariant;

/// Our own key: whether the files' IMA signatures were taken.
const FILE_SIGNATURES: &str = "cambium.ima";

/// A package that is a commit in the repository.
#[derive(Debug, Clone)]
pub struct ImportedPackage {
    /// Its ref, `rpmostree/pkg/…`.
    pub reference: String,
    /// The commit behind the ref.
    pub commit: Checksum,
    /// Its header, from the commit or the file.
    pub header: Header,
}

/// The values for a package file.
pub(super) fn of(header: &Header, rpm: &Rpm, options: &ImportOptions) -> Result<ImportMetadata> {
    let mut metadata = ImportMetadata::of(header).ok_or_else(|| Error::Unsupported {
        script: header.nevra().to_string(),
        reason: "its header lacks the bytes of the file".to_owned(),
    })?;
    metadata.repository.clone_from(&rpm.repository);
    metadata.repodata_checksum.clone_from(&rpm.checksum);
    metadata.nodocs = options.payload.documentation == Documentation::Skip;
    Ok(metadata)
}

/// The values under their keys, and by which policy the files are labelled.
pub(super) fn to_commit(values: &ImportMetadata, options: &ImportOptions) -> Metadata {
    let mut metadata = Metadata::new()
        .bytes("rpmostree.metadata", &values.metadata)
        .string("rpmostree.metadata_sha256", &values.metadata_sha256)
        .variant("rpmostree.nevra", values.nevra.to_variant())
        .variant("rpmostree.unpack_version", ImportMetadata::UNPACK_VERSION.to_variant())
        .variant(
            "rpmostree.unpack_minor_version",
            ImportMetadata::UNPACK_MINOR_VERSION.to_variant(),
        );
    if let Some(repository) = &values.repository {
        let stamp = glib::VariantDict::new(None);
        stamp.insert("id", repository.id.as_str());
        stamp.insert("timestamp", repository.timestamp);
        metadata = metadata.variant("rpmostree.repo", stamp.end());
    }
    if let Some(checksum) = &values.repodata_checksum {
        metadata = metadata.string("rpmostree.repodata_checksum", checksum);
    }
    if values.nodocs {
        metadata = metadata.flag("rpmostree.nodocs", true);
    }
    if options.payload.file_signatures == FileSignatures::Carry {
        metadata = metadata.flag(FILE_SIGNATURES, true);
    }
    labels::stamp(metadata, options.policy.as_deref())
}

/// The commit behind `reference`, if it was made from the same package by the same rules. Its
/// labels may be by another policy.
pub(super) fn valid_import(
    repo: &Repo,
    reference: &str,
    wanted: &ImportMetadata,
    payload: &PayloadOptions,
) -> Result<Option<Checksum>> {
    let Some(commit) = repo.resolve_ref(reference)? else { return Ok(None) };
    let info = repo.commit_info(&commit)?;
    let same = current_rules(&info.metadata)
        && info.metadata.get_string("rpmostree.metadata_sha256") == Some(&wanted.metadata_sha256)
        && same_parts(&info.metadata, payload);
    Ok(same.then_some(commit))
}

/// Whether an import was made by the rules of this version.
fn current_rules(metadata: &Metadata) -> bool {
    let number = |key| metadata.get(key).and_then(glib::Variant::get::<u32>);
    number("rpmostree.unpack_version") == Some(ImportMetadata::UNPACK_VERSION)
        && number("rpmostree.unpack_minor_version") == Some(ImportMetadata::UNPACK_MINOR_VERSION)
}

/// Whether the same parts of a package were taken.
fn same_parts(metadata: &Metadata, payload: &PayloadOptions) -> bool {
    let nodocs = payload.documentation == Documentation::Skip;
    let signatures = payload.file_signatures == FileSignatures::Carry;
    metadata.get_flag("rpmostree.nodocs") == nodocs
        && metadata.get_flag(FILE_SIGNATURES) == signatures
}

/// The import of a package as a repository's metadata describes it, so that it need not be
/// downloaded again: by its file's `checksum` (`sha256:HEX`), or by its NEVRA alone where that is
/// not known. `None` where there is no valid one. Its labels may be by another policy: see
/// [`super::relabel`].
///
/// # Errors
/// When the repository cannot be read.
pub fn find_import(
    repo: &Repo,
    nevra: &Nevra,
    checksum: Option<&str>,
    payload: &PayloadOptions,
) -> Result<Option<ImportedPackage>> {
    let reference = ref_of_package(nevra);
    let Some(commit) = repo.resolve_ref(&reference)? else { return Ok(None) };
    let metadata = repo.commit_info(&commit)?.metadata;
    let known = metadata.get_string("rpmostree.repodata_checksum");
    let same_file = checksum.is_none() || known == checksum;
    if !same_file || !current_rules(&metadata) || !same_parts(&metadata, payload) {
        return Ok(None);
    }
    let header = header(&metadata, &commit)?;
    Ok(Some(ImportedPackage { reference, commit, header }))
}

/// The package that a commit of `rpmostree/pkg/…` holds.
///
/// # Errors
/// When the commit is absent or is no package.
pub fn load_import(repo: &Repo, commit: &Checksum) -> Result<ImportedPackage> {
    let metadata = repo.commit_info(commit)?.metadata;
    let header = header(&metadata, commit)?;
    let reference = ref_of_package(header.nevra());
    Ok(ImportedPackage { reference, commit: commit.clone(), header })
}

fn header(metadata: &Metadata, commit: &Checksum) -> Result<Header> {
    let bytes = metadata.get("rpmostree.metadata").and_then(|v| v.fixed_array::<u8>().ok());
    let bytes = bytes.ok_or_else(|| cambium_ostree::Error::Corrupt {
        what: format!("The package commit {commit}"),
        reason: "it lacks rpmostree.metadata".to_owned(),
    })?;
    Ok(Header::from_bytes(bytes)?)
}
