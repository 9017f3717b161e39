//! The wrapper of librpm: with `own_root.rs` below it the only files of this crate with `unsafe`.
//!
//! Every function here is called under `cambium_native::hold()`. Handles are freed by `Drop`, no
//! pointer leaves this file. Functions that `librpm-sys` 0.6 does not declare are declared here,
//! after rpm 4.18's headers (stable since 4.15).
//!
//! The machine's rpm configuration must not matter: what librpm takes from macros is overridden
//! for the length of each call (`Macros`), and a transaction runs in a private root.
#![allow(unsafe_code)]

mod own_root;

pub(crate) use own_root::on_own_root;

use crate::verify::Signature;
use librpm_sys as sys;
use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::fs::File;
use std::io::{Seek, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use std::sync::OnceLock;

#[repr(C)]
struct PgpParams {
    _opaque: [u8; 0],
}

#[repr(C)]
struct DigestContext {
    _opaque: [u8; 0],
}

#[repr(C)]
struct Database {
    _opaque: [u8; 0],
}

#[repr(C)]
struct IndexIterator {
    _opaque: [u8; 0],
}

unsafe extern "C" {
    fn fdDup(fd: c_int) -> sys::FD_t;
    fn rpmPushMacro(
        context: sys::rpmMacroContext,
        name: *const c_char,
        options: *const c_char,
        body: *const c_char,
        level: c_int,
    ) -> c_int;
    fn rpmtsSetTid(ts: sys::rpmts, tid: u32) -> u32;
    fn rpmtsSetVfyLevel(ts: sys::rpmts, level: c_int) -> c_int;
    fn rpmtsSetColor(ts: sys::rpmts, color: u32) -> u32;
    fn rpmtsSetDBMode(ts: sys::rpmts, mode: c_int) -> c_int;
    fn rpmtsOpenDB(ts: sys::rpmts, mode: c_int) -> c_int;
    fn rpmtsCloseDB(ts: sys::rpmts) -> c_int;
    fn rpmtsGetRdb(ts: sys::rpmts) -> *mut Database;
    fn rpmdbIndexIteratorInit(db: *mut Database, tag: i32) -> *mut IndexIterator;
    fn rpmdbIndexIteratorNext(
        ii: *mut IndexIterator,
        key: *mut *const c_void,
        length: *mut usize,
    ) -> c_int;
    fn rpmdbIndexIteratorNumPkgs(ii: *mut IndexIterator) -> c_uint;
    fn rpmdbIndexIteratorPkgOffset(ii: *mut IndexIterator, index: c_uint) -> c_uint;
    fn rpmdbIndexIteratorFree(ii: *mut IndexIterator) -> *mut IndexIterator;
    fn headerExport(h: sys::Header, length: *mut c_uint) -> *mut c_void;
    fn pgpParsePkts(armor: *const c_char, packets: *mut *mut u8, length: *mut usize) -> c_int;
    fn pgpPubKeyCertLen(packets: *const u8, length: usize, certificate: *mut usize) -> c_int;
    fn pgpPrtParams(
        packets: *const u8,
        length: usize,
        kind: c_uint,
        params: *mut *mut PgpParams,
    ) -> c_int;
    fn pgpDigParamsFree(params: *mut PgpParams) -> *mut PgpParams;
    fn pgpDigParamsAlgo(params: *mut PgpParams, kind: c_uint) -> c_uint;
    fn pgpDigParamsSignID(params: *mut PgpParams) -> *const u8;
    fn pgpSignatureType(params: *mut PgpParams) -> c_int;
    fn rpmGetSubkeys(key: sys::rpmPubkey, count: *mut c_int) -> *mut sys::rpmPubkey;
    fn rpmKeyringVerifySig(
        keyring: sys::rpmKeyring,
        signature: *mut PgpParams,
        context: *mut DigestContext,
    ) -> c_int;
    fn rpmDigestInit(algorithm: c_int, flags: u32) -> *mut DigestContext;
    fn rpmDigestUpdate(context: *mut DigestContext, data: *const c_void, length: usize) -> c_int;
    fn rpmDigestFinal(
        context: *mut DigestContext,
        data: *mut *mut c_void,
        length: *mut usize,
        ascii: c_int,
    ) -> c_int;
}

const TAG_PACKAGES: i32 = 0;
const TAG_SIGNATURE: c_uint = 2;
const PGP_HASH_ALGORITHM: c_uint = 9;
const PGP_BINARY_SIGNATURE: c_int = 0;
const ARMOR_PUBKEY: c_int = 2;
/// Skip every digest and signature: what reaches librpm here was verified before.
const NO_CHECKS: u32 = 0x000f_0f01;

/// Reads librpm's configuration once in a process: its tables of architectures are needed even
/// where nothing else of it is.
fn configure() -> bool {
    static DONE: OnceLock<bool> = OnceLock::new();
    *DONE.get_or_init(|| {
        // SAFETY: both arguments may be null, meaning the defaults; the caller holds the lock
        // that keeps others out of librpm.
        let loaded = unsafe { sys::rpmReadConfigFiles(ptr::null(), ptr::null()) } == 0;
        // SAFETY: a mask is a plain number. librpm would write to stderr otherwise; what went
        // wrong is taken from its last message instead.
        unsafe {
            sys::rpmlogSetMask((1 << (sys::rpmlogLvl_e_RPMLOG_ERR + 1)) - 1);
            sys::rpmlogSetCallback(Some(keep_quiet), ptr::null_mut());
        }
        loaded
    })
}

extern "C" fn keep_quiet(_: sys::rpmlogRec, _: sys::rpmlogCallbackData) -> c_int {
    0
}

fn last_message() -> String {
    // SAFETY: librpm gives a static or owned text that lives until the next message; it is copied
    // at once, under the lock.
    let text = unsafe {
        let text = sys::rpmlogMessage();
        if text.is_null() {
            String::new()
        } else {
            CStr::from_ptr(text).to_string_lossy().into_owned()
        }
    };
    let text = text.trim();
    if text.is_empty() { "librpm says no more".to_owned() } else { text.to_owned() }
}

/// Macros that are defined for as long as this lives.
struct Macros(Vec<CString>);

impl Macros {
    fn push(pairs: &[(&str, &str)]) -> Self {
        let mut names = Vec::new();
        for (name, body) in pairs {
            let (Ok(name), Ok(body)) = (CString::new(*name), CString::new(*body)) else { continue };
            // SAFETY: both texts are terminated and are copied by librpm.
            unsafe {
                rpmPushMacro(ptr::null_mut(), name.as_ptr(), ptr::null(), body.as_ptr(), -1);
            }
            names.push(name);
        }
        Self(names)
    }
}

impl Drop for Macros {
    fn drop(&mut self) {
        for name in self.0.iter().rev() {
            // SAFETY: the name is terminated; popping takes off what `push` put there.
            unsafe {
                sys::rpmPopMacro(ptr::null_mut(), name.as_ptr());
            }
        }
    }
}

/// The directory of the database, inside the root that a set of transactions is given.
pub(crate) const DBPATH: &str = "/usr/share/rpm";

fn database_macros() -> Macros {
    Macros::push(&[
        ("_dbpath", DBPATH),
        ("_db_backend", "sqlite"),
        ("_rpmlock_path", "%{_dbpath}/.rpm.lock"),
        ("_pkgverify_level", "none"),
        ("_pkgverify_flags", "0x0"),
        ("_install_langs", "all"),
        ("_excludedocs", "0"),
        ("_netsharedpath", "%{nil}"),
        ("_transaction_color", "3"),
        ("_prefer_color", "2"),
        ("_minimize_writes", "0"),
        ("_keyring", "rpmdb"),
    ])
}

/// A transaction set on a root whose `usr/share/rpm` holds the database.
pub(crate) struct TransactionSet(
    sys::rpmts,
    #[expect(dead_code, reason = "undone on drop")] Macros,
);

/// Whether the database may be written.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

impl TransactionSet {
    /// Opens the database below `root`. Opening to write creates it where it is missing.
    pub(crate) fn open(root: &Path, access: Access) -> Result<Self, String> {
        if !configure() {
            return Err("librpm's configuration cannot be read".to_owned());
        }
        let macros = database_macros();
        let root = CString::new(root.as_os_str().as_bytes()).map_err(|error| error.to_string())?;
        let mode =
            if access == Access::Read { libc::O_RDONLY } else { libc::O_RDWR | libc::O_CREAT };
        // SAFETY: the set is new and owned here; the root's text is copied; flags are numbers.
        let (set, opened) = unsafe {
            let set = Self(sys::rpmtsCreate(), macros);
            sys::rpmtsSetVSFlags(set.0, NO_CHECKS);
            rpmtsSetVfyLevel(set.0, 0);
            rpmtsSetColor(set.0, 3);
            let root = sys::rpmtsSetRootDir(set.0, root.as_ptr());
            rpmtsSetDBMode(set.0, mode);
            let opened = root == 0 && rpmtsOpenDB(set.0, mode) == 0;
            (set, opened)
        };
        if opened { Ok(set) } else { Err(last_message()) }
    }

    /// Every header with its number, or those that `tag` finds by `key`.
    pub(crate) fn headers(&self, query: Option<(i32, &str)>) -> Vec<(u32, Vec<u8>)> {
        let mut found = Vec::new();
        let (tag, key) =
            query.map_or((TAG_PACKAGES, None), |(tag, key)| (tag, CString::new(key).ok()));
        let pointer = key.as_ref().map_or(ptr::null(), |key| key.as_ptr().cast());
        self.iterate(tag, pointer, 0, |offset, header| {
            found.extend(export(header).map(|bytes| (offset, bytes)));
        });
        found
    }

    /// Hands every header to `each`, one after the other: all together are as large as the
    /// database.
    pub(crate) fn each_header(&self, mut each: impl FnMut(Vec<u8>)) {
        self.iterate(TAG_PACKAGES, ptr::null(), 0, |_, header| {
            export(header).into_iter().for_each(&mut each);
        });
    }

    /// The header with this number.
    pub(crate) fn header_at(&self, offset: u32) -> Option<Vec<u8>> {
        let mut found = None;
        let key = (&raw const offset).cast();
        self.iterate(TAG_PACKAGES, key, size_of::<u32>(), |_, header| found = export(header));
        found
    }

    fn iterate(
        &self,
        tag: i32,
        key: *const c_void,
        length: usize,
        mut each: impl FnMut(u32, sys::Header),
    ) {
        // SAFETY: the set lives; `key` is null, a terminated text (length 0) or a number of
        // `length` bytes that the caller keeps alive. The iterator owns the headers that it
        // gives, until the next one.
        unsafe {
            let iterator = sys::rpmtsInitIterator(self.0, tag, key, length);
            if iterator.is_null() {
                return;
            }
            loop {
                let header = sys::rpmdbNextIterator(iterator);
                if header.is_null() {
                    break;
                }
                each(sys::rpmdbGetIteratorOffset(iterator), header);
            }
            sys::rpmdbFreeIterator(iterator);
        }
    }

    /// Numbers of the headers that have any value of an indexed tag.
    pub(crate) fn offsets_with(&self, tag: i32) -> Vec<u32> {
        let mut offsets = Vec::new();
        // SAFETY: the database of an open set lives as long as the set; the key that is given out
        // is not looked at.
        unsafe {
            let iterator = rpmdbIndexIteratorInit(rpmtsGetRdb(self.0), tag);
            if iterator.is_null() {
                return offsets;
            }
            let (mut key, mut length) = (ptr::null(), 0);
            while rpmdbIndexIteratorNext(iterator, &raw mut key, &raw mut length) == 0 {
                for index in 0..rpmdbIndexIteratorNumPkgs(iterator) {
                    offsets.push(rpmdbIndexIteratorPkgOffset(iterator, index));
                }
            }
            rpmdbIndexIteratorFree(iterator);
        }
        offsets.sort_unstable();
        offsets.dedup();
        offsets
    }

    /// Adds and removes headers in the database alone: no file, script, trigger, label or plugin.
    /// `add` holds lead, signature and header of packages, `remove` numbers of headers.
    pub(crate) fn change(&self, add: &[&[u8]], remove: &[u32], time: u32) -> Result<(), String> {
        let mut keys = Vec::with_capacity(add.len());
        for bytes in add {
            keys.push(Box::new(Key::new(bytes).map_err(|error| error.to_string())?));
        }
        for key in &keys {
            self.add_install(key)?;
        }
        for offset in remove {
            self.add_erase(*offset)?;
        }
        let flags = sys::rpmtransFlags_e_RPMTRANS_FLAG_JUSTDB
            | sys::rpmtransFlags_e_RPMTRANS_FLAG_NOSCRIPTS
            | sys::rpmtransFlags_e_RPMTRANS_FLAG_NOTRIGGERS
            | sys::rpmtransFlags_e_RPMTRANS_FLAG_NOPLUGINS
            | sys::rpmtransFlags_e_RPMTRANS_FLAG_NOCONTEXTS
            | sys::rpmtransFlags_e_RPMTRANS_FLAG_NOCAPS
            | NO_SCRIPT_OF_ANY_KIND;
        let filters = sys::rpmprobFilterFlags_e_RPMPROB_FILTER_DISKSPACE
            | sys::rpmprobFilterFlags_e_RPMPROB_FILTER_DISKNODES
            | sys::rpmprobFilterFlags_e_RPMPROB_FILTER_OLDPACKAGE
            | sys::rpmprobFilterFlags_e_RPMPROB_FILTER_REPLACEPKG
            | sys::rpmprobFilterFlags_e_RPMPROB_FILTER_REPLACENEWFILES
            | sys::rpmprobFilterFlags_e_RPMPROB_FILTER_REPLACEOLDFILES
            | sys::rpmprobFilterFlags_e_RPMPROB_FILTER_VERIFY
            | sys::rpmprobFilterFlags_e_RPMPROB_FILTER_IGNOREARCH
            | sys::rpmprobFilterFlags_e_RPMPROB_FILTER_IGNOREOS;
        let mut open = Open { file: ptr::null_mut(), set: self.0, time };
        // SAFETY: `open` and all keys outlive the run; the callback only touches them.
        let result = unsafe {
            sys::rpmtsSetFlags(self.0, flags as _);
            sys::rpmtsSetNotifyStyle(self.0, 0);
            sys::rpmtsSetNotifyCallback(self.0, Some(notify), (&raw mut open).cast());
            let result = sys::rpmtsRun(self.0, ptr::null_mut(), filters as _);
            sys::rpmtsSetNotifyCallback(self.0, None, ptr::null_mut());
            result
        };
        let outcome = match result {
            0 => Ok(()),
            _ => Err(self.problems()),
        };
        // SAFETY: elements hold keys as plain pointers; they go before the keys do.
        unsafe { sys::rpmtsEmpty(self.0) };
        outcome
    }

    fn add_install(&self, key: &Key) -> Result<(), String> {
        let file = key.open();
        let mut header = ptr::null_mut();
        // SAFETY: the file is open; the header that is read is given to the set, which takes its
        // own reference, and freed here. The key outlives the run (see `change`).
        let added = unsafe {
            let read = sys::rpmReadPackageFile(self.0, file, c"package".as_ptr(), &raw mut header);
            sys::Fclose(file);
            let readable = !header.is_null()
                && read != sys::rpmRC_e_RPMRC_FAIL
                && read != sys::rpmRC_e_RPMRC_NOTFOUND;
            let address = ptr::from_ref(key).cast();
            let added = readable
                && sys::rpmtsAddInstallElement(self.0, header, address, 0, ptr::null_mut()) == 0;
            sys::headerFree(header);
            added
        };
        if added { Ok(()) } else { Err(last_message()) }
    }

    fn add_erase(&self, offset: u32) -> Result<(), String> {
        let mut added = false;
        let key = (&raw const offset).cast();
        self.iterate(TAG_PACKAGES, key, size_of::<u32>(), |number, header| {
            // SAFETY: the header is the iterator's; the set takes its own reference.
            added = unsafe { sys::rpmtsAddEraseElement(self.0, header, number as c_int) } == 0;
        });
        if added { Ok(()) } else { Err(last_message()) }
    }

    fn problems(&self) -> String {
        let mut lines = Vec::new();
        // SAFETY: the problem set is owned by this call and freed; its problems live until then;
        // texts are copied and freed.
        unsafe {
            let problems = sys::rpmtsProblems(self.0);
            let iterator = sys::rpmpsInitIterator(problems);
            loop {
                let problem = sys::rpmpsiNext(iterator);
                if problem.is_null() {
                    break;
                }
                let text = sys::rpmProblemString(problem);
                if !text.is_null() {
                    lines.push(CStr::from_ptr(text).to_string_lossy().into_owned());
                    libc::free(text.cast());
                }
            }
            sys::rpmpsFreeIterator(iterator);
            sys::rpmpsFree(problems);
        }
        if lines.is_empty() { last_message() } else { lines.join("; ") }
    }
}

const NO_SCRIPT_OF_ANY_KIND: i32 = 0x03ff_0000;

impl Drop for TransactionSet {
    fn drop(&mut self) {
        // SAFETY: the set is owned here and not used again; closing the database checkpoints it.
        unsafe {
            rpmtsCloseDB(self.0);
            sys::rpmtsFree(self.0);
        }
    }
}

/// Replaces headers in a database that no librpm has open, by their numbers, and takes the file out
/// of WAL mode.
///
/// librpm has no way to do either: it stamps headers with the clock (or with SOURCE_DATE_EPOCH,
/// which a daemon with threads cannot set), and its iterators that rewrite do nothing with SQLite.
/// The install time is in no index, so a header may be replaced alone. The functions are those of
/// the SQLite that librpm itself has loaded.
pub(crate) fn replace_headers(file: &Path, headers: &[(u32, Vec<u8>)]) -> Result<(), String> {
    let path = CString::new(file.as_os_str().as_bytes()).map_err(|error| error.to_string())?;
    let sqlite = Sqlite::load().ok_or("librpm has no SQLite")?;
    let mut database = ptr::null_mut();
    let text = c"UPDATE Packages SET blob = ?2 WHERE hnum = ?1";
    // SAFETY: signatures are those of sqlite3.h; texts are terminated; the statement is finalised
    // before the database is closed, which is closed on every path; bound bytes outlive the step.
    unsafe {
        let mut result = (sqlite.open)(path.as_ptr(), &raw mut database, 2, ptr::null());
        let mut statement = ptr::null_mut();
        let execute = |result: c_int, text: &CStr| match result {
            0 => (sqlite.execute)(database, text.as_ptr(), None, ptr::null_mut(), ptr::null_mut()),
            failed => failed,
        };
        // The file is a private copy, durable only once it is written to the repository.
        result = execute(result, c"PRAGMA synchronous = OFF");
        result = execute(result, c"BEGIN");
        if result == 0 {
            result =
                (sqlite.prepare)(database, text.as_ptr(), -1, &raw mut statement, ptr::null_mut());
        }
        for (number, blob) in headers {
            if result == 0 {
                let length = c_int::try_from(blob.len()).unwrap_or(c_int::MAX);
                (sqlite.bind_number)(statement, 1, i64::from(*number));
                (sqlite.bind_blob)(statement, 2, blob.as_ptr().cast(), length, ptr::null());
                (sqlite.step)(statement);
                result = (sqlite.reset)(statement);
            }
        }
        (sqlite.finalize)(statement);
        result = execute(result, c"COMMIT");
        result = execute(result, c"PRAGMA journal_mode = DELETE");
        (sqlite.close)(database);
        if result == 0 { Ok(()) } else { Err(format!("SQLite's error {result}")) }
    }
}

type Callback =
    Option<unsafe extern "C" fn(*mut c_void, c_int, *mut *mut c_char, *mut *mut c_char) -> c_int>;

/// The functions of SQLite that are used, by sqlite3.h.
struct Sqlite {
    open: unsafe extern "C" fn(*const c_char, *mut *mut c_void, c_int, *const c_char) -> c_int,
    execute: unsafe extern "C" fn(
        *mut c_void,
        *const c_char,
        Callback,
        *mut c_void,
        *mut *mut c_char,
    ) -> c_int,
    prepare: unsafe extern "C" fn(
        *mut c_void,
        *const c_char,
        c_int,
        *mut *mut c_void,
        *mut *const c_char,
    ) -> c_int,
    bind_number: unsafe extern "C" fn(*mut c_void, c_int, i64) -> c_int,
    bind_blob:
        unsafe extern "C" fn(*mut c_void, c_int, *const c_void, c_int, *const c_void) -> c_int,
    step: unsafe extern "C" fn(*mut c_void) -> c_int,
    reset: unsafe extern "C" fn(*mut c_void) -> c_int,
    finalize: unsafe extern "C" fn(*mut c_void) -> c_int,
    close: unsafe extern "C" fn(*mut c_void) -> c_int,
}

impl Sqlite {
    fn load() -> Option<Self> {
        /// The symbol as a function of the field's type.
        macro_rules! symbol {
            ($name:literal) => {{
                // SAFETY: the name is terminated; a null pointer is no function and is sorted out
                // by the niche of `Option`; the field's type is the function's by sqlite3.h.
                unsafe {
                    std::mem::transmute::<*mut c_void, Option<_>>(libc::dlsym(
                        libc::RTLD_DEFAULT,
                        $name.as_ptr(),
                    ))
                }?
            }};
        }
        Some(Self {
            open: symbol!(c"sqlite3_open_v2"),
            execute: symbol!(c"sqlite3_exec"),
            prepare: symbol!(c"sqlite3_prepare_v2"),
            bind_number: symbol!(c"sqlite3_bind_int64"),
            bind_blob: symbol!(c"sqlite3_bind_blob"),
            step: symbol!(c"sqlite3_step"),
            reset: symbol!(c"sqlite3_reset"),
            finalize: symbol!(c"sqlite3_finalize"),
            close: symbol!(c"sqlite3_close"),
        })
    }
}

fn export(header: sys::Header) -> Option<Vec<u8>> {
    let mut length = 0;
    // SAFETY: the header lives; librpm allocates the blob of `length` bytes, copied and freed.
    unsafe {
        let blob = headerExport(header, &raw mut length);
        if blob.is_null() {
            return None;
        }
        let bytes = std::slice::from_raw_parts(blob.cast::<u8>(), length as usize).to_vec();
        libc::free(blob);
        Some(bytes)
    }
}

/// A package's lead, signature and header as a file that librpm can read again and again.
struct Key(File);

impl Key {
    fn new(bytes: &[u8]) -> std::io::Result<Self> {
        // SAFETY: the name is terminated; the descriptor that comes back is owned by the file.
        let descriptor = unsafe { libc::memfd_create(c"package".as_ptr(), libc::MFD_CLOEXEC) };
        if descriptor < 0 {
            return Err(std::io::Error::last_os_error());
        }
        // SAFETY: it was just opened and nobody else has it.
        let mut file = unsafe { File::from_raw_fd(descriptor) };
        file.write_all(bytes)?;
        Ok(Self(file))
    }

    /// A duplicate at the file's start; the caller closes it.
    fn open(&self) -> sys::FD_t {
        // Descriptors that are duplicates share a position. A failed seek shows as a failed read.
        drop((&self.0).rewind());
        // SAFETY: the descriptor is open; librpm duplicates it.
        unsafe { fdDup(self.0.as_raw_fd()) }
    }
}

/// What a run's callback works with.
struct Open {
    /// The file that librpm has open.
    file: sys::FD_t,
    set: sys::rpmts,
    time: u32,
}

/// Gives librpm the package file of an element. Nothing here can panic.
unsafe extern "C" fn notify(
    _: *const c_void,
    what: sys::rpmCallbackType,
    _: u64,
    _: u64,
    key: sys::fnpyKey,
    data: sys::rpmCallbackData,
) -> *mut c_void {
    if key.is_null() || data.is_null() {
        return ptr::null_mut();
    }
    // SAFETY: `change` gave both pointers and keeps what they point at alive and untouched while
    // the transaction runs, on this one thread.
    let (key, open) = unsafe { (&*key.cast::<Key>(), &mut *data.cast::<Open>()) };
    match what {
        sys::rpmCallbackType_e_RPMCALLBACK_INST_OPEN_FILE => {
            // The run begins by numbering itself by the clock, so the number is set in its midst.
            // SAFETY: the set is the one that is running, on this thread; a number is stored.
            unsafe { rpmtsSetTid(open.set, open.time) };
            open.file = key.open();
            open.file.cast()
        }
        sys::rpmCallbackType_e_RPMCALLBACK_INST_CLOSE_FILE => {
            if !open.file.is_null() {
                // SAFETY: it was opened above and is closed once.
                unsafe { sys::Fclose(open.file) };
                open.file = ptr::null_mut();
            }
            ptr::null_mut()
        }
        _ => ptr::null_mut(),
    }
}

/// Splits keys, armoured or not, into certificates that librpm can use. `None` where there is none.
pub(crate) fn read_certificates(bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    configure();
    const BEGIN: &[u8] = b"-----BEGIN PGP PUBLIC KEY BLOCK-----";
    let starts: Vec<usize> = bytes
        .windows(BEGIN.len())
        .enumerate()
        .filter(|(_, w)| *w == BEGIN)
        .map(|(at, _)| at)
        .collect();
    let mut packets = Vec::new();
    for (index, start) in starts.iter().enumerate() {
        let end = starts.get(index + 1).copied().unwrap_or(bytes.len());
        packets.push(dearmor(&bytes[*start..end])?);
    }
    if starts.is_empty() {
        packets.push(bytes.to_vec());
    }
    let mut certificates = Vec::new();
    for packets in packets {
        let mut rest = packets.as_slice();
        while !rest.is_empty() {
            let mut length = 0;
            // SAFETY: pointer and length are those of `rest`.
            let result = unsafe { pgpPubKeyCertLen(rest.as_ptr(), rest.len(), &raw mut length) };
            if result != 0 || length == 0 || length > rest.len() {
                return None;
            }
            let (certificate, after) = rest.split_at(length);
            Pubkey::new(certificate)?;
            certificates.push(certificate.to_vec());
            rest = after;
        }
    }
    (!certificates.is_empty()).then_some(certificates)
}

fn dearmor(text: &[u8]) -> Option<Vec<u8>> {
    let text = CString::new(text).ok()?;
    let (mut packets, mut length) = (ptr::null_mut(), 0);
    // SAFETY: the text is terminated; the packets that come back are copied and freed.
    unsafe {
        let kind = pgpParsePkts(text.as_ptr(), &raw mut packets, &raw mut length);
        let found = (kind == ARMOR_PUBKEY && !packets.is_null())
            .then(|| std::slice::from_raw_parts(packets, length).to_vec());
        libc::free(packets.cast());
        found
    }
}

struct Pubkey(sys::rpmPubkey);

impl Pubkey {
    fn new(certificate: &[u8]) -> Option<Self> {
        // SAFETY: pointer and length are those of the slice, which librpm copies.
        let key = unsafe { sys::rpmPubkeyNew(certificate.as_ptr(), certificate.len()) };
        (!key.is_null()).then_some(Self(key))
    }
}

impl Drop for Pubkey {
    fn drop(&mut self) {
        // SAFETY: this reference is owned here.
        unsafe {
            sys::rpmPubkeyFree(self.0);
        }
    }
}

struct RpmKeyring(sys::rpmKeyring);

impl RpmKeyring {
    fn new(certificates: &[Vec<u8>]) -> Self {
        // SAFETY: a new keyring, owned here; adding a key takes a reference of its own, as do
        // its subkeys, whose array is freed after its elements.
        unsafe {
            let keyring = Self(sys::rpmKeyringNew());
            for key in certificates.iter().filter_map(|certificate| Pubkey::new(certificate)) {
                sys::rpmKeyringAddKey(keyring.0, key.0);
                let mut count = 0;
                let subkeys = rpmGetSubkeys(key.0, &raw mut count);
                for index in 0..usize::try_from(count).unwrap_or(0) {
                    let subkey = Pubkey(*subkeys.add(index));
                    sys::rpmKeyringAddKey(keyring.0, subkey.0);
                }
                libc::free(subkeys.cast());
            }
            keyring
        }
    }
}

impl Drop for RpmKeyring {
    fn drop(&mut self) {
        // SAFETY: this reference is owned here.
        unsafe {
            sys::rpmKeyringFree(self.0);
        }
    }
}

/// Checks an OpenPGP signature over `covered`.
pub(crate) fn verify_signature(signature: &[u8], covered: &[u8], keys: &[Vec<u8>]) -> Signature {
    configure();
    let keyring = RpmKeyring::new(keys);
    let mut params = ptr::null_mut();
    // SAFETY: pointers and lengths belong together; parameters and digest are freed once, below.
    unsafe {
        let parsed =
            pgpPrtParams(signature.as_ptr(), signature.len(), TAG_SIGNATURE, &raw mut params);
        if parsed != 0 || params.is_null() {
            pgpDigParamsFree(params);
            return Signature::Bad { key_id: String::new() };
        }
        let id = pgpDigParamsSignID(params);
        let id = if id.is_null() { &[][..] } else { std::slice::from_raw_parts(id, 8) };
        let key_id = crate::header::hex(id);
        let algorithm = pgpDigParamsAlgo(params, PGP_HASH_ALGORITHM);
        let context = rpmDigestInit(algorithm as c_int, 0);
        let usable = !context.is_null() && pgpSignatureType(params) == PGP_BINARY_SIGNATURE;
        let result = if usable {
            rpmDigestUpdate(context, covered.as_ptr().cast(), covered.len());
            rpmKeyringVerifySig(keyring.0, params, context)
        } else {
            sys::rpmRC_e_RPMRC_FAIL as c_int
        };
        if !context.is_null() {
            rpmDigestFinal(context, ptr::null_mut(), ptr::null_mut(), 0);
        }
        pgpDigParamsFree(params);
        match result as u32 {
            sys::rpmRC_e_RPMRC_OK => Signature::Signed { key_id },
            sys::rpmRC_e_RPMRC_NOKEY => Signature::KeyMissing { key_id },
            _ => Signature::Bad { key_id },
        }
    }
}
