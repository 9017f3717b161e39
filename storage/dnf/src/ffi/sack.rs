//! Sack, query and package: what is loaded, found and read.

use super::{c_path, c_text, pointers, take, text};
use cambium_model::{Evr, Nevra, PackageInfo, Severity};
use libdnf_sys as c;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::ptr::null_mut;

/// All packages of a call.
pub(crate) struct Sack {
    pub(super) raw: *mut c::DnfSack,
    repos: Vec<c::HyRepo>,
}

/// A repository's metadata on disk.
#[derive(Debug, Clone, Default)]
pub(crate) struct RepoFiles {
    pub id: String,
    pub priority: i32,
    pub cost: i32,
    pub repomd: PathBuf,
    pub primary: PathBuf,
    pub filelists: Option<PathBuf>,
    pub updateinfo: Option<PathBuf>,
}

impl Drop for Sack {
    fn drop(&mut self) {
        // SAFETY: each was made by us and is freed once; packages borrow the sack and are gone.
        unsafe {
            gobject_sys::g_object_unref(self.raw.cast());
            self.repos.iter().for_each(|repo| c::hy_repo_free(*repo));
        }
    }
}

impl Sack {
    /// An empty sack whose caches are in `solv_dir`.
    pub(crate) fn new(solv_dir: &Path, arch: &str, root: &Path) -> Result<Self, String> {
        // SAFETY: the sack lives until drop; texts are copied by the library.
        unsafe {
            let sack = Self { raw: c::dnf_sack_new(), repos: Vec::new() };
            let mut error = null_mut();
            c::dnf_sack_set_cachedir(sack.raw, c_path(solv_dir).as_ptr());
            if c::dnf_sack_set_arch(sack.raw, c_text(arch).as_ptr(), &raw mut error) == 0 {
                return Err(take(error).1);
            }
            c::dnf_sack_set_rootdir(sack.raw, c_path(root).as_ptr());
            let flags = c::DNF_SACK_SETUP_FLAG_MAKE_CACHE_DIR as i32;
            match c::dnf_sack_setup(sack.raw, flags, &raw mut error) {
                0 => Err(take(error).1),
                _ => Ok(sack),
            }
        }
    }

    /// Loads the installed packages.
    pub(crate) fn load_installed(&mut self) -> Result<(), String> {
        let mut error = null_mut();
        let flags = c::DNF_SACK_LOAD_FLAG_BUILD_CACHE as i32;
        // SAFETY: the sack is ours; a null repository lets the library make its own.
        match unsafe { c::dnf_sack_load_system_repo(self.raw, null_mut(), flags, &raw mut error) } {
            0 => Err(take(error).1),
            _ => Ok(()),
        }
    }

    /// Loads a repository and says how many packages it has.
    pub(crate) fn load_repo(&mut self, files: &RepoFiles) -> Result<u32, String> {
        let mut flags = c::DNF_SACK_LOAD_FLAG_BUILD_CACHE;
        let mut error = null_mut();
        // SAFETY: the repository is freed with the sack; texts are copied.
        unsafe {
            let repo = c::hy_repo_create(c_text(&files.id).as_ptr());
            self.repos.push(repo);
            c::hy_repo_set_priority(repo, files.priority);
            c::hy_repo_set_cost(repo, files.cost);
            let set = |which: u32, path: &Path| {
                c::hy_repo_set_string(repo, which as i32, c_path(path).as_ptr());
            };
            set(c::HY_REPO_MD_FN, &files.repomd);
            set(c::HY_REPO_PRIMARY_FN, &files.primary);
            if let Some(path) = &files.filelists {
                set(c::HY_REPO_FILELISTS_FN, path);
                flags |= c::DNF_SACK_LOAD_FLAG_USE_FILELISTS;
            }
            if let Some(path) = &files.updateinfo {
                set(c::HY_REPO_UPDATEINFO_FN, path);
                flags |= c::DNF_SACK_LOAD_FLAG_USE_UPDATEINFO;
            }
            match c::dnf_sack_load_repo(self.raw, repo, flags as i32, &raw mut error) {
                0 => Err(take(error).1),
                _ => Ok(c::hy_repo_get_n_solvables(repo)),
            }
        }
    }

    /// Adds an RPM file; `None` where it is not readable.
    pub(crate) fn add_rpm(&self, path: &Path) -> Option<Package<'_>> {
        // SAFETY: the sack is ours; the returned reference is ours to drop.
        let raw = unsafe { c::dnf_sack_add_cmdline_package(self.raw, c_path(path).as_ptr()) };
        (!raw.is_null()).then_some(Package { raw, sack: PhantomData })
    }

    /// All packages.
    pub(crate) fn query(&self) -> Query<'_> {
        // SAFETY: the sack outlives the query by its lifetime.
        Query { raw: unsafe { c::hy_query_create(self.raw) }, sack: PhantomData }
    }

    /// The packages that `spec` (NEVRA in any form, capability, file path, glob) means best.
    pub(crate) fn best(&self, spec: &str) -> Query<'_> {
        // SAFETY: subject and parsed name are freed here, the query by its drop.
        unsafe {
            let subject = c::hy_subject_create(c_text(spec).as_ptr());
            let mut nevra: c::HyNevra = null_mut();
            let raw = c::hy_subject_get_best_solution(
                subject,
                self.raw,
                null_mut(),
                &raw mut nevra,
                0,
                1,
                1,
                1,
                0,
            );
            if !nevra.is_null() {
                c::hy_nevra_free(nevra);
            }
            c::hy_subject_free(subject);
            Query { raw, sack: PhantomData }
        }
    }

    /// Keeps packages out of everything.
    pub(crate) fn exclude(&self, query: &Query<'_>) {
        // SAFETY: the set is freed here, its content copied.
        unsafe {
            let set = c::hy_query_run_set(query.raw);
            c::dnf_sack_add_excludes(self.raw, set);
            c::dnf_packageset_free(set);
        }
    }

    /// Leaves of repository `id` only what is included.
    pub(crate) fn include(&self, id: &str, query: &Query<'_>) {
        // SAFETY: as above.
        unsafe {
            let set = c::hy_query_run_set(query.raw);
            c::dnf_sack_add_includes(self.raw, set);
            c::dnf_sack_set_use_includes(self.raw, c_text(id).as_ptr(), 1);
            c::dnf_packageset_free(set);
        }
    }

    /// The order in which rpm would install packages: dependencies first, cycles broken.
    pub(crate) fn order(&self, packages: &[Package<'_>]) -> Vec<i32> {
        let mut ids: Vec<c::Id> = packages.iter().map(Package::id).collect();
        let mut queue = c::Queue {
            elements: ids.as_mut_ptr(),
            count: i32::try_from(ids.len()).unwrap_or(i32::MAX),
            alloc: null_mut(),
            left: 0,
        };
        // SAFETY: the queue is only read and outlives the call; the transaction is freed here.
        unsafe {
            let pool = c::dnf_sack_get_pool(self.raw);
            let transaction = c::transaction_create_decisionq(pool, &raw mut queue, null_mut());
            c::transaction_order(transaction, 0);
            let steps = &(*transaction).steps;
            let count = usize::try_from(steps.count).unwrap_or(0);
            let ordered = (0..count).map(|at| *steps.elements.add(at)).collect();
            c::transaction_free(transaction);
            ordered
        }
    }
}

/// A growing condition on packages.
pub(crate) struct Query<'s> {
    raw: c::HyQuery,
    sack: PhantomData<&'s Sack>,
}

impl Drop for Query<'_> {
    fn drop(&mut self) {
        // SAFETY: made by the library, freed once.
        unsafe { c::hy_query_free(self.raw) }
    }
}

impl<'s> Query<'s> {
    fn filter(self, key: u32, comparison: u32, value: &str) -> Self {
        // SAFETY: the query is ours, the text is copied.
        unsafe {
            c::hy_query_filter(self.raw, key as i32, comparison as i32, c_text(value).as_ptr())
        };
        self
    }

    /// Only installed packages.
    pub(crate) fn installed(self) -> Self {
        self.filter(c::HY_PKG_REPONAME, c::HY_EQ, "@System")
    }

    /// Only packages of repositories.
    pub(crate) fn available(self) -> Self {
        self.filter(c::HY_PKG_REPONAME, c::HY_NEQ, "@System")
    }

    /// Only packages of one repository.
    pub(crate) fn repo(self, id: &str) -> Self {
        self.filter(c::HY_PKG_REPONAME, c::HY_EQ, id)
    }

    /// Only packages whose name holds this, in whatever case.
    pub(crate) fn name_holds(self, part: &str) -> Self {
        self.filter(c::HY_PKG_NAME, c::HY_SUBSTR | c::HY_ICASE, part)
    }

    /// Only packages whose summary holds this, in whatever case.
    pub(crate) fn summary_holds(self, part: &str) -> Self {
        self.filter(c::HY_PKG_SUMMARY, c::HY_SUBSTR | c::HY_ICASE, part)
    }

    /// Only packages that provide a capability, maybe as a glob.
    pub(crate) fn provides(self, capability: &str) -> Self {
        self.filter(c::HY_PKG_PROVIDES, c::HY_GLOB, capability)
    }

    /// Only packages that hold a file, maybe as a glob.
    pub(crate) fn file(self, path: &str) -> Self {
        self.filter(c::HY_PKG_FILE, c::HY_GLOB, path)
    }

    /// Only the newest of each name and architecture.
    pub(crate) fn latest(self) -> Self {
        // SAFETY: the query is ours.
        unsafe { c::hy_query_filter_latest_per_arch(self.raw, 1) };
        self
    }

    /// Whether nothing is left.
    pub(crate) fn is_empty(&self) -> bool {
        // SAFETY: the query is ours.
        unsafe { c::hy_query_is_empty(self.raw) }
    }

    /// What is left.
    pub(crate) fn packages(&self) -> Vec<Package<'s>> {
        // SAFETY: the array is ours and frees its elements, of which we take references.
        unsafe { take_packages(c::hy_query_run(self.raw)) }
    }
}

/// Takes over an array of packages and what it holds.
///
/// # Safety
/// `array` is null or an array of `DnfPackage` that is the caller's.
pub(super) unsafe fn take_packages<'s>(array: *mut glib_sys::GPtrArray) -> Vec<Package<'s>> {
    let raws = pointers::<c::DnfPackage>(array);
    for raw in &raws {
        // SAFETY: each element is a live GObject.
        unsafe { gobject_sys::g_object_ref((*raw).cast()) };
    }
    if !array.is_null() {
        // SAFETY: the array is ours; it drops its own references.
        unsafe { glib_sys::g_ptr_array_unref(array) };
    }
    raws.into_iter().map(|raw| Package { raw, sack: PhantomData }).collect()
}

/// One package; it borrows its sack, on which libdnf itself holds no reference.
pub(crate) struct Package<'s> {
    pub(super) raw: *mut c::DnfPackage,
    sack: PhantomData<&'s Sack>,
}

impl Drop for Package<'_> {
    fn drop(&mut self) {
        // SAFETY: our reference, dropped once, while the sack lives.
        unsafe { gobject_sys::g_object_unref(self.raw.cast()) }
    }
}

/// Reads a string of a package.
macro_rules! texts {
    ($($name:ident => $function:ident),*) => {$(
        pub(crate) fn $name(&self) -> String {
            // SAFETY: package and sack live; the text is copied.
            text(unsafe { c::$function(self.raw) })
        }
    )*};
}

impl Package<'_> {
    texts! {
        name => dnf_package_get_name,
        repo => dnf_package_get_reponame,
        location => dnf_package_get_location,
        base_url => dnf_package_get_baseurl,
        summary => dnf_package_get_summary
    }

    pub(crate) fn id(&self) -> i32 {
        // SAFETY: the package lives.
        unsafe { c::dnf_package_get_id(self.raw) }
    }

    pub(crate) fn nevra(&self) -> Nevra {
        // SAFETY: package and sack live; the texts are copied.
        unsafe {
            Nevra {
                name: self.name(),
                evr: Evr::parse(&text(c::dnf_package_get_evr(self.raw))),
                arch: text(c::dnf_package_get_arch(self.raw)),
            }
        }
    }

    /// `sha256:HEX`; empty where there is none.
    pub(crate) fn checksum(&self) -> String {
        let mut kind = 0;
        // SAFETY: the digest belongs to the sack; the hexadecimal text is ours to free.
        unsafe {
            let digest = c::dnf_package_get_chksum(self.raw, &raw mut kind);
            if digest.is_null() {
                return String::new();
            }
            let hex = c::hy_chksum_str(digest, kind);
            let found = format!("{}:{}", text(c::hy_chksum_name(kind)), text(hex));
            glib_sys::g_free(hex.cast());
            found
        }
    }

    pub(crate) fn download_bytes(&self) -> u64 {
        // SAFETY: the package lives.
        unsafe { c::dnf_package_get_downloadsize(self.raw) }
    }

    pub(crate) fn installed_bytes(&self) -> u64 {
        // SAFETY: the package lives.
        unsafe { c::dnf_package_get_installsize(self.raw) }
    }

    /// The package as plain data.
    pub(crate) fn info(&self) -> PackageInfo {
        let repository = Some(self.repo()).filter(|repo| repo != "@System").unwrap_or_default();
        PackageInfo {
            nevra: self.nevra(),
            summary: self.summary(),
            download_bytes: if repository.is_empty() { 0 } else { self.download_bytes() },
            installed_bytes: self.installed_bytes(),
            repository,
        }
    }

    /// Id, kind and severity of the advisories that name exactly this package.
    pub(crate) fn advisories(&self) -> Vec<(String, &'static str, Severity)> {
        // SAFETY: the array is ours; its own free function frees the advisories.
        unsafe {
            let array = c::dnf_package_get_advisories(self.raw, c::HY_EQ as i32);
            let found = pointers::<c::DnfAdvisory>(array).into_iter().map(|advisory| {
                let kind = match c::dnf_advisory_get_kind(advisory) {
                    c::DNF_ADVISORY_KIND_SECURITY => "security",
                    c::DNF_ADVISORY_KIND_BUGFIX => "bugfix",
                    c::DNF_ADVISORY_KIND_ENHANCEMENT => "enhancement",
                    c::DNF_ADVISORY_KIND_NEWPACKAGE => "newpackage",
                    _ => "unknown",
                };
                let severity = text(c::dnf_advisory_get_severity(advisory)).to_ascii_lowercase();
                let severity = match severity.as_str() {
                    "low" => Severity::Low,
                    "moderate" => Severity::Moderate,
                    "important" => Severity::Important,
                    "critical" => Severity::Critical,
                    _ => Severity::None,
                };
                (text(c::dnf_advisory_get_id(advisory)), kind, severity)
            });
            let found = found.collect();
            if !array.is_null() {
                glib_sys::g_ptr_array_unref(array);
            }
            found
        }
    }
}
