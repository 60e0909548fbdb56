//! Files in an S3-compatible bucket, each an object under the name of its attachment.
//!
//! Requests are signed as AWS has it (Signature Version 4): every store that calls itself S3-compatible takes that.

use std::fmt;
use std::time::{Duration, SystemTime};

use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, Method, Response, StatusCode, Url};
use ring::hmac;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use crate::conversation::{AttachmentId, Media};
use crate::hex::hex;
use crate::outbound;

/// How long one request may take.
const TIME: Duration = Duration::from_secs(30);

/// A bucket as an operator describes it.
#[derive(Clone, PartialEq)]
pub struct BucketSpec {
    /// Where its objects are: `https://HOST/BUCKET`, perhaps with a folder behind that.
    pub url: String,
    /// The region that requests are signed for.
    pub region: String,
    /// Who asks…
    pub access_key: String,
    /// …and the secret that shows it.
    pub secret_key: String,
}

impl fmt::Debug for BucketSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Bucket({} in {})", self.url, self.region)
    }
}

pub(super) struct Bucket {
    spec: BucketSpec,
    client: Client,
}

impl Bucket {
    pub fn new(spec: BucketSpec) -> Result<Bucket, String> {
        Ok(Bucket { spec, client: outbound::made(outbound::client().timeout(TIME))? })
    }

    pub async fn put(&self, id: AttachmentId, media: Media, file: Vec<u8>) -> Result<(), String> {
        let response = self.ask(Method::PUT, id, Some((media, file))).await?;
        done(&response)
    }

    pub async fn get(&self, id: AttachmentId) -> Result<Option<Vec<u8>>, String> {
        let response = self.ask(Method::GET, id, None).await?;
        if response.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        done(&response)?;
        Ok(Some(response.bytes().await.map_err(outbound::told)?.into()))
    }

    pub async fn delete(&self, id: AttachmentId) -> Result<(), String> {
        let response = self.ask(Method::DELETE, id, None).await?;
        if response.status() == StatusCode::NOT_FOUND { Ok(()) } else { done(&response) }
    }

    async fn ask(&self, method: Method, id: AttachmentId, file: Option<(Media, Vec<u8>)>) -> Result<Response, String> {
        let url = Url::parse(&format!("{}/{}", self.spec.url.trim_end_matches('/'), id.0.simple()));
        let url = url.map_err(|_| "the bucket's address is not one".to_owned())?;
        let host = match (url.host_str().unwrap_or_default(), url.port()) {
            (host, Some(port)) => format!("{host}:{port}"),
            (host, None) => host.to_owned(),
        };
        let (media, file) = file.unzip();
        let file = file.unwrap_or_default();
        let asked = Asked {
            method: method.as_str(),
            host: &host,
            path: url.path(),
            query: "",
            body: &hex(&Sha256::digest(&file)),
            at: &stamp(SystemTime::now()),
        };
        let mut request = self.client.request(method.clone(), url.clone());
        request = request.header("x-amz-date", asked.at).header("x-amz-content-sha256", asked.body);
        request = request.header("authorization", asked.authorization(&self.spec));
        if let Some(media) = media {
            request = request.header(CONTENT_TYPE, media.as_str()).body(file);
        }
        request.send().await.map_err(outbound::told)
    }
}

fn done(response: &Response) -> Result<(), String> {
    match response.status() {
        status if status.is_success() => Ok(()),
        status => Err(format!("the bucket answers {}", status.as_u16())),
    }
}

/// A request that is to be signed.
struct Asked<'a> {
    method: &'a str,
    host: &'a str,
    path: &'a str,
    query: &'a str,
    /// The SHA-256 of the body, in hex.
    body: &'a str,
    /// `20130524T000000Z`
    at: &'a str,
}

impl Asked<'_> {
    /// What the header `Authorization` says.
    fn authorization(&self, spec: &BucketSpec) -> String {
        const SIGNED: &str = "host;x-amz-content-sha256;x-amz-date";
        let Asked { method, host, path, query, body, at } = self;
        let headers = format!("host:{host}\nx-amz-content-sha256:{body}\nx-amz-date:{at}\n");
        let request = format!("{method}\n{path}\n{query}\n{headers}\n{SIGNED}\n{body}");
        let day = at.get(..8).unwrap_or_default();
        let scope = format!("{day}/{}/s3/aws4_request", spec.region);
        let text = format!("AWS4-HMAC-SHA256\n{at}\n{scope}\n{}", hex(&Sha256::digest(request)));
        let secret = format!("AWS4{}", spec.secret_key);
        let key = [day, &spec.region, "s3", "aws4_request"]
            .iter()
            .fold(secret.into_bytes(), |key, part| keyed(&key, part.as_bytes()));
        let signature = hex(&keyed(&key, text.as_bytes()));
        format!("AWS4-HMAC-SHA256 Credential={}/{scope},SignedHeaders={SIGNED},Signature={signature}", spec.access_key)
    }
}

fn keyed(key: &[u8], text: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text).as_ref().to_vec()
}

fn stamp(now: SystemTime) -> String {
    let now = OffsetDateTime::from(now);
    let (year, month, day) = (now.year(), u8::from(now.month()), now.day());
    format!("{year:04}{month:02}{day:02}T{:02}{:02}{:02}Z", now.hour(), now.minute(), now.second())
}

#[cfg(test)]
mod tests {
    use std::time::UNIX_EPOCH;

    use super::*;

    /// The example "GET Bucket Lifecycle" of the Amazon S3 API Reference, "Authenticating Requests: Using the
    /// Authorization Header (AWS Signature Version 4)".
    #[test]
    fn signs_as_the_published_example() {
        let spec = BucketSpec {
            url: "https://examplebucket.s3.amazonaws.com".to_owned(),
            region: "us-east-1".to_owned(),
            access_key: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
        };
        let asked = Asked {
            method: "GET",
            host: "examplebucket.s3.amazonaws.com",
            path: "/",
            query: "lifecycle=",
            body: &hex(&Sha256::digest("")),
            at: "20130524T000000Z",
        };
        assert_eq!(
            asked.authorization(&spec),
            "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,\
             SignedHeaders=host;x-amz-content-sha256;x-amz-date,\
             Signature=fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"
        );
        assert!(!format!("{spec:?}").contains("wJal"));
    }

    #[test]
    fn a_time_is_written_without_signs() {
        assert_eq!(stamp(UNIX_EPOCH + Duration::from_secs(1_369_353_600)), "20130524T000000Z");
    }
}
