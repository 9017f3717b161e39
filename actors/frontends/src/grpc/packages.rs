//! `cambium.v1.Packages`: questions about packages.

use super::{Backend, reply};
use cambium_messages::depsolve::{DiffPackages, FindPackages, ListPackages, MakePlan};
use cambium_model::{Changelogs, Failure, FailureKind, FindBy, Nevra};
use cambium_proto::status_from_failure;
use cambium_proto::v1::packages_server::Packages;
use cambium_proto::v1::{
    self, DiffRequest, ListPackagesRequest, ListPackagesResponse, PackageDiffs, PlanRequest,
    PlanResponse, RpmdbVersionRequest, RpmdbVersionResponse, SearchRequest, SearchResponse,
    WhatProvidesRequest,
};
use cambium_runtime::Call;
use sha2::{Digest, Sha256};
use tonic::{Request, Response, Status};

/// The service.
#[derive(Debug)]
pub(super) struct PackagesService(pub(super) Backend);

impl PackagesService {
    /// The packages of `revision`, sorted.
    async fn packages(&self, revision: String) -> Result<Vec<Nevra>, Status> {
        let list = ListPackages { call: Call::read(), revision };
        let mut packages = reply(self.0.ports.list_packages.send(list).await)?;
        packages.sort();
        Ok(packages)
    }

    async fn find(
        &self,
        by: FindBy,
        terms: Vec<String>,
    ) -> Result<Response<SearchResponse>, Status> {
        let call = Call::read();
        // A search whose client leaves stops.
        let guard = call.cancel.guard();
        let found = reply(self.0.ports.find_packages.send(FindPackages { call, by, terms }).await);
        guard.disarm();
        let packages = found?.iter().map(v1::FoundPackage::from).collect();
        Ok(Response::new(SearchResponse { packages }))
    }
}

/// Equal for equal sets of packages: SHA-256 over the sorted full names, a line each.
fn digest(packages: &[Nevra]) -> String {
    let mut sha256 = Sha256::new();
    for package in packages {
        sha256.update(format!("{package}\n"));
    }
    sha256.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The patterns as shell globs of names.
fn globs(patterns: &[String]) -> Result<Vec<glob::Pattern>, Status> {
    let compile = |pattern: &String| {
        glob::Pattern::new(pattern).map_err(|error| {
            let what = format!("'{pattern}' is not a pattern: {error}");
            status_from_failure(&Failure::new(FailureKind::InvalidRequest, what))
        })
    };
    patterns.iter().map(compile).collect()
}

#[tonic::async_trait]
impl Packages for PackagesService {
    async fn plan(&self, request: Request<PlanRequest>) -> Result<Response<PlanResponse>, Status> {
        let request = Box::new(super::wanted(request.into_inner().request)?);
        let call = Call::read();
        let guard = call.cancel.guard();
        let plan = reply(self.0.ports.make_plan.send(MakePlan { call, request }).await);
        guard.disarm();
        Ok(Response::new(PlanResponse { plan: Some(v1::Plan::from(&plan?)) }))
    }

    async fn diff(&self, request: Request<DiffRequest>) -> Result<Response<PackageDiffs>, Status> {
        let DiffRequest { from, to, changelogs } = request.into_inner();
        let changelogs = if changelogs { Changelogs::New } else { Changelogs::Omit };
        let diff = DiffPackages { call: Call::read(), from, to, changelogs };
        let diffs = reply(self.0.ports.diff_packages.send(diff).await)?;
        Ok(Response::new(PackageDiffs::from(&diffs)))
    }

    async fn list(
        &self,
        request: Request<ListPackagesRequest>,
    ) -> Result<Response<ListPackagesResponse>, Status> {
        let ListPackagesRequest { revision, patterns } = request.into_inner();
        let mut packages = self.packages(revision).await?;
        let globs = globs(&patterns)?;
        if !globs.is_empty() {
            packages.retain(|package| globs.iter().any(|glob| glob.matches(&package.name)));
        }
        let packages = packages.iter().map(v1::Nevra::from).collect();
        Ok(Response::new(ListPackagesResponse { packages }))
    }

    async fn search(
        &self,
        request: Request<SearchRequest>,
    ) -> Result<Response<SearchResponse>, Status> {
        self.find(FindBy::Words, request.into_inner().words).await
    }

    async fn what_provides(
        &self,
        request: Request<WhatProvidesRequest>,
    ) -> Result<Response<SearchResponse>, Status> {
        self.find(FindBy::Provides, request.into_inner().provides).await
    }

    async fn rpmdb_version(
        &self,
        request: Request<RpmdbVersionRequest>,
    ) -> Result<Response<RpmdbVersionResponse>, Status> {
        let packages = self.packages(request.into_inner().revision).await?;
        Ok(Response::new(RpmdbVersionResponse {
            packages: u32::try_from(packages.len()).unwrap_or(u32::MAX),
            digest: digest(&packages),
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_globs_and_a_broken_one_is_named() {
        let patterns = globs(&["vim*".into(), "?ash".into()]).unwrap();
        for (name, expected) in [("vim-data", true), ("bash", true), ("ash", false)] {
            assert_eq!(patterns.iter().any(|p| p.matches(name)), expected, "{name}");
        }
        let status = globs(&["[".into()]).unwrap_err();
        assert!(status.message().contains("'['"), "{status}");
    }

    #[test]
    fn the_digest_is_sha256_of_lines() {
        let packages = ["a-1-1.noarch".parse().unwrap()];
        // printf 'a-1-1.noarch\n' | sha256sum
        assert_eq!(
            digest(&packages),
            "54611dd17245564437f10fa645a2e1540d2b47754533924f30147ff9b61dcb38"
        );
        assert_ne!(digest(&packages), digest(&[]));
    }
}
