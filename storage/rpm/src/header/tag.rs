//! Numbers of the tags that are read. Source: rpm's docs/manual/tags.md.

pub(crate) const NAME: u32 = 1000;
pub(crate) const VERSION: u32 = 1001;
pub(crate) const RELEASE: u32 = 1002;
pub(crate) const EPOCH: u32 = 1003;
pub(crate) const SUMMARY: u32 = 1004;
pub(crate) const BUILDTIME: u32 = 1006;
pub(crate) const INSTALLTIME: u32 = 1008;
pub(crate) const SIZE: u32 = 1009;
pub(crate) const LICENSE: u32 = 1014;
pub(crate) const ARCH: u32 = 1022;
pub(crate) const SOURCERPM: u32 = 1044;
pub(crate) const LONGSIZE: u32 = 5009;

pub(crate) const FILESIZES: u32 = 1028;
pub(crate) const FILEMODES: u32 = 1030;
pub(crate) const FILERDEVS: u32 = 1033;
pub(crate) const FILEMTIMES: u32 = 1034;
pub(crate) const FILEDIGESTS: u32 = 1035;
pub(crate) const FILELINKTOS: u32 = 1036;
pub(crate) const FILEFLAGS: u32 = 1037;
pub(crate) const FILEUSERNAME: u32 = 1039;
pub(crate) const FILEGROUPNAME: u32 = 1040;
pub(crate) const FILEDEVICES: u32 = 1095;
pub(crate) const FILEINODES: u32 = 1096;
pub(crate) const FILELANGS: u32 = 1097;
pub(crate) const DIRINDEXES: u32 = 1116;
pub(crate) const BASENAMES: u32 = 1117;
pub(crate) const DIRNAMES: u32 = 1118;
pub(crate) const LONGFILESIZES: u32 = 5008;
pub(crate) const FILECAPS: u32 = 5010;
pub(crate) const FILEDIGESTALGO: u32 = 5011;
pub(crate) const FILESIGNATURES: u32 = 5090;

/// Tags of names, versions and flags of one kind of dependency.
pub(crate) type Dependencies = [u32; 3];
pub(crate) const PROVIDES: Dependencies = [1047, 1113, 1112];
pub(crate) const REQUIRES: Dependencies = [1049, 1050, 1048];

pub(crate) const CHANGELOGTIME: u32 = 1080;
pub(crate) const CHANGELOGNAME: u32 = 1081;
pub(crate) const CHANGELOGTEXT: u32 = 1082;

pub(crate) const PAYLOADFORMAT: u32 = 1124;
pub(crate) const PAYLOADCOMPRESSOR: u32 = 1125;
pub(crate) const PAYLOADDIGEST: u32 = 5092;
pub(crate) const PAYLOADDIGESTALGO: u32 = 5093;

pub(crate) const PREFIXES: u32 = 1098;
pub(crate) const INSTPREFIXES: u32 = 1099;

/// Names that triggers wait for, by family: packages, files, files of a whole transaction.
pub(crate) const TRIGGERNAMES: [u32; 3] = [1066, 5069, 5079];

/// Tags of the signature header.
pub(crate) mod signature {
    pub(crate) const DSA: u32 = 267;
    pub(crate) const RSA: u32 = 268;
    pub(crate) const SHA1: u32 = 269;
    pub(crate) const SHA256: u32 = 273;
}
