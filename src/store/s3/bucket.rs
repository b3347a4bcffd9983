//! The bucket itself, and the proof that it can keep the protocol's promises.

use std::error::Error;

use aws_sdk_s3::config::http::HttpResponse;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::types::{
    AbortIncompleteMultipartUpload, BucketLifecycleConfiguration, BucketLocationConstraint, CreateBucketConfiguration, ExpirationStatus,
    LifecycleRule, LifecycleRuleFilter, PublicAccessBlockConfiguration,
};
use bytes::Bytes;
use uuid::Uuid;

use super::S3Store;
use super::conditional::Met;
use super::error::{Answer, fault};
use super::objects::unbuilt;
use crate::model::Fault;
use crate::model::fault::s3::{MISSING, NO_CONDITIONS, NOT_IMPLEMENTED};
use crate::store::{BucketFacts, ETag};

/// The one region whose buckets are created without naming it.
const FIRST_REGION: &str = "us-east-1";
const ABORT_AFTER_DAYS: i32 = 7;

impl S3Store {
    pub(super) async fn bucket_facts(&self) -> Result<BucketFacts, Fault> {
        if !self.bucket_exists().await? {
            return Ok(BucketFacts { exists: false, public_access_blocked: None, aborts_incomplete_uploads: None });
        }
        Ok(BucketFacts {
            exists: true,
            public_access_blocked: self.public_access_blocked().await?,
            aborts_incomplete_uploads: self.aborts_incomplete_uploads().await?,
        })
    }

    /// Page after page; a store that knows no pages answers all at once.
    pub(super) async fn list_buckets(&self) -> Result<Vec<String>, Fault> {
        let mut names = Vec::new();
        let mut next = None;
        loop {
            let page = self.client.list_buckets().set_continuation_token(next).send().await;
            let page = page.map_err(|error| fault("could not list the buckets", "*", &error))?;
            names.extend(page.buckets().iter().filter_map(|bucket| bucket.name()).map(str::to_owned));
            next = page.continuation_token().map(str::to_owned);
            if next.is_none() {
                names.sort();
                return Ok(names);
            }
        }
    }

    /// A bucket that is there already is left as it is: it may serve others too.
    pub(super) async fn make_bucket(&self) -> Result<Vec<String>, Fault> {
        if self.bucket_exists().await? {
            return Ok(vec![format!("bucket {} is there and was left as it is", self.bucket)]);
        }
        let mut did = Vec::new();
        let mut create = self.client.create_bucket().bucket(&self.bucket);
        if self.region != FIRST_REGION {
            let place = BucketLocationConstraint::from(self.region.as_str());
            create = create.create_bucket_configuration(CreateBucketConfiguration::builder().location_constraint(place).build());
        }
        match create.send().await {
            Ok(_) => did.push(format!("created bucket {} in {}, private", self.bucket, self.region)),
            Err(error) if Answer::of(&error).code.as_deref() == Some("BucketAlreadyOwnedByYou") => {
                return Ok(vec![format!("bucket {} was made by somebody else meanwhile", self.bucket)]);
            }
            Err(error) => return Err(fault("could not create the bucket", &self.bucket, &error)),
        }
        did.push(match self.block_public_access().await {
            Ok(()) => "blocked public access".to_owned(),
            Err(answer) => format!("the store refused to block public access ({}): see to it yourself", in_words(&answer)),
        });
        did.push(match self.abort_incomplete_uploads().await? {
            None => format!("incomplete uploads end after {ABORT_AFTER_DAYS} days"),
            Some(answer) => format!("the store refused the rule that ends incomplete uploads ({}): see to it yourself", in_words(&answer)),
        });
        Ok(did)
    }

    async fn bucket_exists(&self) -> Result<bool, Fault> {
        match self.client.head_bucket().bucket(&self.bucket).send().await {
            Ok(_) => Ok(true),
            Err(error) if Answer::of(&error).is_nothing() => Ok(false),
            Err(error) => Err(fault("could not look for the bucket", &self.bucket, &error)),
        }
    }

    async fn public_access_blocked(&self) -> Result<Option<bool>, Fault> {
        match self.client.get_public_access_block().bucket(&self.bucket).send().await {
            Ok(answer) => Ok(answer.public_access_block_configuration.map(|block| {
                let all = [block.block_public_acls, block.ignore_public_acls, block.block_public_policy, block.restrict_public_buckets];
                all.into_iter().all(|on| on == Some(true))
            })),
            Err(error) => refused("could not read the public access block of the bucket", &self.bucket, &error),
        }
    }

    async fn aborts_incomplete_uploads(&self) -> Result<Option<bool>, Fault> {
        match self.client.get_bucket_lifecycle_configuration().bucket(&self.bucket).send().await {
            Ok(answer) => Ok(Some(answer.rules().iter().any(|rule| self.aborts_ours(rule)))),
            Err(error) => refused("could not read the lifecycle rules of the bucket", &self.bucket, &error),
        }
    }

    /// Whether a rule ends incomplete uploads of all our keys.
    fn aborts_ours(&self, rule: &LifecycleRule) -> bool {
        let filter = rule.filter();
        let everything = filter.is_none_or(|f| f.tag().is_none() && f.and().is_none());
        #[expect(deprecated, reason = "old rules have their prefix outside the filter")]
        let prefix = filter.and_then(LifecycleRuleFilter::prefix).or(rule.prefix()).unwrap_or_default();
        let days = rule.abort_incomplete_multipart_upload().and_then(AbortIncompleteMultipartUpload::days_after_initiation);
        *rule.status() == ExpirationStatus::Enabled && days.is_some() && everything && self.keys.root().starts_with(prefix)
    }

    async fn block_public_access(&self) -> Result<(), Answer> {
        let block = PublicAccessBlockConfiguration::builder()
            .block_public_acls(true)
            .ignore_public_acls(true)
            .block_public_policy(true)
            .restrict_public_buckets(true)
            .build();
        let put = self.client.put_public_access_block().bucket(&self.bucket).public_access_block_configuration(block);
        put.send().await.map(|_| ()).map_err(|error| Answer::of(&error))
    }

    /// `Some`: what the store answered instead of doing it.
    async fn abort_incomplete_uploads(&self) -> Result<Option<Answer>, Fault> {
        let rule = LifecycleRule::builder()
            .id("db-to-redshift: end incomplete uploads")
            .status(ExpirationStatus::Enabled)
            .filter(LifecycleRuleFilter::builder().prefix("").build())
            .abort_incomplete_multipart_upload(AbortIncompleteMultipartUpload::builder().days_after_initiation(ABORT_AFTER_DAYS).build())
            .build()
            .map_err(unbuilt)?;
        let rules = BucketLifecycleConfiguration::builder().rules(rule).build().map_err(unbuilt)?;
        let put = self.client.put_bucket_lifecycle_configuration().bucket(&self.bucket).lifecycle_configuration(rules);
        Ok(put.send().await.err().map(|error| Answer::of(&error)))
    }

    /// Writes, overwrites, reads, lists and deletes an object of its own.
    pub(super) async fn probe_conditions(&self, id: Uuid) -> Result<(), Fault> {
        let key = self.keys.probe(id);
        let proof = self.prove(&key).await;
        let cleared = self.delete_one(&key).await;
        proof.and(cleared)
    }

    async fn prove(&self, key: &str) -> Result<(), Fault> {
        let [first, second, third] = [b"first".as_slice(), b"second", b"third"].map(Bytes::from_static);
        let ignored = |header: &str| {
            Fault::new(&NO_CONDITIONS, format!("the store wrote an object although {header} forbade it")).evidence("object", key)
        };
        let unknown = |fault: Fault| {
            let foreign = fault.is(&NOT_IMPLEMENTED);
            if foreign {
                Fault::new(&NO_CONDITIONS, "the store refuses conditional writes").evidence("object", key).caused_by(fault)
            } else {
                fault
            }
        };
        let written = match self.put_if(key, &first, None).await.map_err(unknown)? {
            Met::Done(etag) => etag,
            // Only a lost answer leaves our own probe in the way.
            Met::Refused { .. } => self.get_object(key).await?.map(|(_, etag)| etag).ok_or_else(|| missing(key))?,
        };
        if let Met::Done(_) = self.put_if(key, &second, None).await.map_err(unknown)? {
            return Err(ignored("If-None-Match"));
        }
        let stale = ETag("\"00000000000000000000000000000000\"".to_owned());
        if let Met::Done(_) = self.put_if(key, &second, Some(&stale)).await.map_err(unknown)? {
            return Err(ignored("If-Match"));
        }
        if let Met::Refused { unsure: false } = self.put_if(key, &third, Some(&written)).await.map_err(unknown)? {
            return Err(Fault::new(&NO_CONDITIONS, "the store refused If-Match with the version that stands there").evidence("object", key));
        }
        match self.get_object(key).await? {
            Some((found, _)) if found == third => {}
            Some(_) => return Err(ignored("If-None-Match or If-Match")),
            None => return Err(missing(key)),
        }
        let listed = self.list(key, None).await?;
        if listed.iter().any(|object| object.key == key) { Ok(()) } else { Err(missing(key)) }
    }
}

fn missing(key: &str) -> Fault {
    Fault::new(&MISSING, "the probe was written but is not there").evidence("object", key)
}

/// Whether a refused question about the bucket only says that nothing is set, or that the store
/// does not tell: `None` then.
fn refused(
    what: &str,
    bucket: &str,
    error: &SdkError<impl ProvideErrorMetadata + Error + 'static, HttpResponse>,
) -> Result<Option<bool>, Fault> {
    let answer = Answer::of(error);
    match answer.code.as_deref() {
        Some("NoSuchLifecycleConfiguration" | "NoSuchPublicAccessBlockConfiguration") => Ok(Some(false)),
        _ if answer.is_not_implemented() || answer.is_denied() => Ok(None),
        _ => Err(fault(what, bucket, error)),
    }
}

fn in_words(answer: &Answer) -> String {
    match (&answer.code, answer.status) {
        (Some(code), _) => code.clone(),
        (None, Some(status)) => format!("status {status}"),
        (None, None) => "no answer".to_owned(),
    }
}
