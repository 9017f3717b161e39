//! Reads repomd.xml: which files a repository's metadata is made of.
//!
//! Only what is needed of createrepo's format: each `data` element's location, checksum, sizes and
//! timestamp. The text may come from anywhere, so nothing of it is trusted: a location that leaves
//! the repository, a missing checksum or an unreadable number is an error.

use std::collections::BTreeMap;

/// What repomd.xml says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Repomd {
    /// The newest file's time: seconds since 1970.
    pub timestamp: u64,
    /// Files by kind: `primary`, `filelists`, `updateinfo`, …
    pub files: BTreeMap<String, MetadataFile>,
}

/// One file of metadata.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct MetadataFile {
    /// Below the repository's base.
    pub location: String,
    /// `sha256`, …
    pub checksum_type: String,
    /// Hexadecimal digits.
    pub checksum: String,
    /// Bytes packed; 0 where not said.
    pub size: u64,
    /// Bytes unpacked; 0 where not said.
    pub open_size: u64,
}

impl MetadataFile {
    /// The file's name in the cache: unique for its content, whatever the repository calls it.
    pub(crate) fn cache_name(&self) -> String {
        let name = self.location.rsplit('/').next().unwrap_or_default();
        let digits = self.checksum.get(..16).unwrap_or(&self.checksum);
        format!("{digits}-{name}")
    }
}

/// Reads the text; an error says what is wrong.
pub(crate) fn parse(text: &str) -> Result<Repomd, String> {
    if !text.contains("<repomd") || !text.contains("</repomd>") {
        return Err("repomd.xml is not whole".to_owned());
    }
    let mut repomd = Repomd { timestamp: 0, files: BTreeMap::new() };
    for element in text.split("<data ").skip(1) {
        let body = element.split_once("</data>").ok_or("repomd.xml: </data> is missing")?.0;
        let kind = attribute(body, "type").ok_or("repomd.xml: <data> without a type")?;
        let number = |tag| match content(body, tag) {
            None => Ok(0),
            Some((_, value)) => value
                .split('.')
                .next()
                .and_then(|whole| whole.trim().parse().ok())
                .ok_or(format!("repomd.xml: {tag} of {kind} is '{value}'")),
        };
        let location = body
            .split_once("<location")
            .and_then(|(_, rest)| attribute(rest.split('>').next()?, "href"))
            .ok_or(format!("repomd.xml: {kind} has no location"))?;
        let leaves = location.split('/').any(|part| part == "..");
        if location.starts_with('/') || location.contains("://") || leaves {
            return Err(format!("repomd.xml: location of {kind} leaves the repository"));
        }
        let (head, checksum) =
            content(body, "checksum").ok_or(format!("repomd.xml: {kind} has no checksum"))?;
        let checksum_type = attribute(head, "type").unwrap_or_default().to_owned();
        let digits = checksum.trim();
        if digits.len() < 32 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return Err(format!("repomd.xml: checksum of {kind} is '{digits}'"));
        }
        let file = MetadataFile {
            location: location.replace("&amp;", "&"),
            checksum_type,
            checksum: digits.to_owned(),
            size: number("size")?,
            open_size: number("open-size")?,
        };
        repomd.timestamp = repomd.timestamp.max(number("timestamp")?);
        repomd.files.insert(kind.to_owned(), file);
    }
    match repomd.files.contains_key("primary") {
        true => Ok(repomd),
        false => Err("repomd.xml names no primary metadata".to_owned()),
    }
}

/// The value of `name="…"` in an element's head.
fn attribute<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let head = head.split('>').next()?;
    let (_, rest) = head.split_once(&format!("{name}="))?;
    let quote = rest.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    rest[1..].split_once(quote).map(|(value, _)| value)
}

/// The head and text of the first `<tag …>text</tag>`.
fn content<'a>(body: &'a str, tag: &str) -> Option<(&'a str, &'a str)> {
    body.match_indices(&format!("<{tag}")).find_map(|(at, opening)| {
        let rest = &body[at + opening.len()..];
        rest.starts_with([' ', '>'])
            .then(|| rest.split_once('>'))?
            .and_then(|(head, text)| Some((head, text.split_once("</")?.0)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUM: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

    fn data(kind: &str, location: &str, sum: &str, more: &str) -> String {
        format!(
            "<repomd xmlns=\"http://x\">\n<revision>1</revision><data type=\"{kind}\">\n\
             <checksum type=\"sha256\">{sum}</checksum><open-checksum type=\"sha256\">f</open-checksum>\
             <location href=\"{location}\"/>{more}</data></repomd>"
        )
    }

    #[test]
    fn reads_what_a_file_is() {
        let more = "<timestamp>1700000000.5</timestamp><size>7</size><open-size>70</open-size>";
        let repomd = parse(&data("primary", "repodata/p.xml.gz", SUM, more)).unwrap();
        let file = &repomd.files["primary"];
        assert_eq!((file.size, file.open_size, repomd.timestamp), (7, 70, 1_700_000_000));
        assert_eq!((file.checksum.as_str(), file.checksum_type.as_str()), (SUM, "sha256"));
        assert_eq!(file.cache_name(), "0123456789abcdef-p.xml.gz");
    }

    #[test]
    fn refuses_what_it_cannot_trust() {
        for (text, part) in [
            (String::new(), "not whole"),
            ("<repomd><data type=\"primary\">".to_owned(), "not whole"),
            ("<repomd></repomd>".to_owned(), "no primary"),
            (data("other", "o.xml", SUM, ""), "no primary"),
            (data("primary", "../../etc/p", SUM, ""), "leaves the repository"),
            (data("primary", "/etc/p", SUM, ""), "leaves the repository"),
            (data("primary", "http://evil/p", SUM, ""), "leaves the repository"),
            (data("primary", "p", "xyz", ""), "checksum of primary"),
            (data("primary", "p", SUM, "<size>-1</size>"), "size of primary is '-1'"),
        ] {
            let error = parse(&text).unwrap_err();
            assert!(error.contains(part), "{error} lacks {part}");
        }
    }
}
