//! Choices that a caller makes for a worker, named so that no call takes a bare `bool`.

/// Whether the network may be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchPolicy {
    /// Fetch what is missing.
    Fetch,
    /// Use what is on disk (`--cache-only`).
    CacheOnly,
}

/// What becomes of cached repository metadata.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetadataCache {
    /// It stays.
    Keep,
    /// It goes.
    Remove,
}

/// Which metadata is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// What has expired.
    Expired,
    /// All of it.
    All,
}

/// Whether changelogs are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Changelogs {
    /// No.
    Omit,
    /// Entries that the newer package has and the older has not.
    New,
}

/// How packages are looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FindBy {
    /// Words in name or summary.
    Words,
    /// A capability or a file's path.
    Provides,
    /// Name patterns.
    Name,
}

/// From where an assembly starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssemblyStart {
    /// From the layered commit where the base and its packages stay, else from the base.
    Extend,
    /// From the base (`--rebuild`).
    Base,
}

/// When a staged deployment is finalised.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finalization {
    /// At shutdown.
    AtShutdown,
    /// Not before `finalize-deployment` says so.
    Locked,
}

/// How much of what no deployment needs is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sweep {
    /// Names: refs, and the directories of deployments that are gone.
    Names,
    /// Names, and the objects that nothing names any more. Reads the whole repository.
    Objects,
}
