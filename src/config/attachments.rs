//! `attachments:` of the file: where what customers and agents send is kept, and how much of it.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::attachments::{AttachmentSpec, BucketSpec, PlaceSpec, Rules};
use crate::finding::Finding;
use crate::sources::filled;
use crate::yaml;

const MEGABYTE: u32 = 1024 * 1024;

/// What is said of attachments.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// Where files are, if that is said.
    place: Option<PlaceSpec>,
    off: bool,
    rules: Rules,
}

#[derive(Deserialize)]
struct Part {
    #[serde(default)]
    attachments: Option<Written>,
}

/// As it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    off: Option<bool>,
    folder: Option<String>,
    bucket: Option<String>,
    region: Option<String>,
    access_key: Option<String>,
    secret_key: Option<String>,
    max_mb: Option<u32>,
    per_conversation: Option<u32>,
    pixels: Option<u32>,
}

/// Reads this part of the file's text; `variable` gives the environment's. What is wrong goes to `problems`, without the
/// lines of the file, which may hold secrets.
pub(super) fn read(
    file: &str,
    text: &str,
    variable: &dyn Fn(&str) -> Option<String>,
    problems: &mut Vec<String>,
) -> Option<Said> {
    let part: Part = match yaml::read(file, text) {
        Ok(part) => part,
        Err(finding) => {
            problems.push(Finding { snippet: None, ..*finding }.to_string());
            return None;
        }
    };
    let checked = part.attachments?.checked(variable);
    checked.map_err(|problem| problems.push(Finding::error(file, format!("attachments.{problem}")).to_string())).ok()
}

impl Written {
    fn checked(self, variable: &dyn Fn(&str) -> Option<String>) -> Result<Said, String> {
        let number = |key: &str, written: Option<u32>, usual: u32, least: u32, most: u32| match written {
            None => Ok(usual),
            Some(number) if (least..=most).contains(&number) => Ok(number),
            Some(number) => Err(format!("{key}: {number} is not a number from {least} to {most}")),
        };
        let usual = Rules::default();
        let rules = Rules {
            max_bytes: number("max_mb", self.max_mb, usual.max_bytes / MEGABYTE, 1, 50)? * MEGABYTE,
            per_conversation: number("per_conversation", self.per_conversation, usual.per_conversation, 1, 1_000)?,
            pixels: number("pixels", self.pixels, usual.pixels, 256, 8_192)?,
        };
        let keys = [&self.region, &self.access_key, &self.secret_key].iter().any(|key| key.is_some());
        let place = match (self.folder, self.bucket) {
            (Some(_), Some(_)) => {
                return Err("bucket: files are in a folder or in a bucket, not in both".to_owned());
            }
            (None, None) if keys => {
                return Err("bucket: it is missing, and its region and keys are there".to_owned());
            }
            (Some(folder), None) if folder.trim().is_empty() => {
                return Err(
                    "folder: it is empty; write where the files are, such as /var/lib/purser/attachments".to_owned()
                );
            }
            (Some(folder), None) => Some(PlaceSpec::Folder(PathBuf::from(folder))),
            (None, Some(bucket)) => {
                let secret = |key: &str, written: Option<String>| secret(key, written, variable);
                let region = self.region.unwrap_or_else(|| "us-east-1".to_owned());
                if region.is_empty() || !region.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
                    return Err("region: write such as eu-central-1".to_owned());
                }
                Some(PlaceSpec::Bucket(BucketSpec {
                    url: address(&bucket)?,
                    region,
                    access_key: secret("access_key", self.access_key)?,
                    secret_key: secret("secret_key", self.secret_key)?,
                }))
            }
            (None, None) => None,
        };
        Ok(Said { place, off: self.off.unwrap_or(false), rules })
    }
}

/// Where the objects of a bucket are. What would have to be written in another way in a signature is refused.
fn address(text: &str) -> Result<String, String> {
    let wrong = || format!("bucket: `{text}` is no address; write such as https://s3.eu-central-1.amazonaws.com/NAME");
    let address = text.trim().trim_end_matches('/');
    let (scheme, rest) = address.split_once("://").ok_or_else(wrong)?;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~/:[]".contains(&b);
    let host = rest.split('/').next().unwrap_or_default();
    if !matches!(scheme, "http" | "https") || host.is_empty() || !rest.bytes().all(plain) || rest.contains("//") {
        return Err(wrong());
    }
    Ok(address.to_owned())
}

/// A key, which comes from the environment and from nowhere else.
fn secret(key: &str, written: Option<String>, variable: &dyn Fn(&str) -> Option<String>) -> Result<String, String> {
    let upper = key.to_uppercase();
    let missing =
        || format!("{key}: it comes from the environment; write `{key}: ${{S3_{upper}}}` and set that variable");
    let written = written.ok_or_else(missing)?;
    if !(written.trim().starts_with("${") && written.trim().ends_with('}')) {
        return Err(missing());
    }
    let filled = filled(written.trim(), variable).map_err(|why| format!("{key}: {why}"))?;
    match !filled.is_empty() && filled.bytes().all(|b| b.is_ascii_graphic()) {
        true => Ok(filled),
        false => Err(format!("{key}: the variable must be of printable ASCII characters without blanks")),
    }
}

/// What is in force: as it is written, or else a folder beside the SQLite file. Another database may have several nodes,
/// which would need one place, and nobody has said which.
pub(super) fn spec(written: Option<Said>, database: Option<&Path>) -> AttachmentSpec {
    let Said { place, off, rules } = written.unwrap_or_default();
    let beside = || database.map_or(PlaceSpec::Nowhere, |file| PlaceSpec::Folder(file.with_extension("attachments")));
    AttachmentSpec { place: place.unwrap_or_else(beside), off, rules }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(yaml: &str) -> Result<Said, String> {
        let mut problems = Vec::new();
        let variable = |name: &str| (name == "KEY").then(|| "an-open-secret".to_owned());
        let read = read("purser.yaml", &format!("attachments: {yaml}"), &variable, &mut problems);
        read.ok_or_else(|| problems.join("\n"))
    }

    #[test]
    fn files_have_one_place() {
        let said = told("{ folder: files, max_mb: 5 }").unwrap();
        assert_eq!((said.place, said.rules.max_bytes), (Some(PlaceSpec::Folder(PathBuf::from("files"))), 5 * MEGABYTE));
        let bucket = "{ bucket: \"https://s3.example/box/\", access_key: \"${KEY}\", secret_key: \"${KEY}\" }";
        let Ok(Said { place: Some(PlaceSpec::Bucket(bucket)), off: false, .. }) = told(bucket) else {
            panic!("no bucket")
        };
        assert_eq!((bucket.url.as_str(), bucket.region.as_str()), ("https://s3.example/box", "us-east-1"));
        for (yaml, expected) in [
            ("{ folder: a, bucket: \"https://s3.example/b\" }", "not in both"),
            ("{ bucket: nonsense }", "is no address"),
            ("{ bucket: \"https://s3.example/a b\" }", "is no address"),
            ("{ bucket: \"https://s3.example/b\", access_key: open }", "access_key: it comes from the environment"),
            ("{ bucket: \"https://s3.example/b\", access_key: \"${OTHER}\" }", "the variable OTHER is not set"),
            ("{ region: eu-central-1 }", "bucket: it is missing"),
            ("{ max_mb: 500 }", "max_mb: 500 is not a number from 1 to 50"),
            ("{ folder: \"\" }", "folder: it is empty"),
            ("{ place: a }", "place"),
        ] {
            let told = told(yaml).unwrap_err();
            assert!(told.contains(expected), "{told}");
        }
    }

    #[test]
    fn they_are_beside_the_file_of_the_database() {
        let spec = |written, file: Option<&str>| {
            let AttachmentSpec { place, off, .. } = spec(written, file.map(Path::new));
            (place, off)
        };
        let beside = PlaceSpec::Folder(PathBuf::from("/data/purser.attachments"));
        assert_eq!(spec(None, Some("/data/purser.db")), (beside.clone(), false));
        // What was sent before is still there.
        assert_eq!(spec(told("{ off: true }").ok(), Some("/data/purser.db")), (beside, true));
        let folder = PlaceSpec::Folder(PathBuf::from("a"));
        assert_eq!(spec(told("{ off: true, folder: a }").ok(), None), (folder, true));
        assert_eq!(spec(None, None), (PlaceSpec::Nowhere, false));
    }
}
