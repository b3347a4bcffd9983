//! Buckets and what is configured on them.

use s3s::dto::{
    Bucket as ListedBucket, BucketLocationConstraint, CreateBucketInput, GetBucketLifecycleConfigurationOutput, GetBucketLocationOutput,
    HeadBucketOutput, ListBucketsOutput, Owner, PublicAccessBlockConfiguration, PutBucketLifecycleConfigurationInput,
};
use s3s::{S3Error, S3ErrorCode, S3Result, s3_error};

use super::storage::{Bucket, Storage};

/// The region whose buckets are created without a location constraint.
const FIRST_REGION: &str = "us-east-1";

impl Storage {
    pub fn create_bucket(&self, input: &CreateBucketInput) -> S3Result<()> {
        let wanted = input.create_bucket_configuration.as_ref().and_then(|configuration| configuration.location_constraint.as_ref());
        let fits = match wanted {
            None => &*self.region == FIRST_REGION,
            Some(region) => region.as_str() == &*self.region && &*self.region != FIRST_REGION,
        };
        if !fits {
            return Err(s3_error!(
                IllegalLocationConstraintException,
                "The location constraint is incompatible for the region specific endpoint this request was sent to."
            ));
        }
        let mut state = self.lock();
        if state.buckets.contains_key(&input.bucket) {
            return Err(s3_error!(
                BucketAlreadyOwnedByYou,
                "Your previous request to create the named bucket succeeded and you already own it."
            ));
        }
        state.buckets.insert(input.bucket.clone(), Bucket::new());
        Ok(())
    }

    pub fn head_bucket(&self, bucket: &str) -> S3Result<HeadBucketOutput> {
        self.lock().bucket(bucket)?;
        Ok(HeadBucketOutput { bucket_region: Some(self.region.to_string()), ..HeadBucketOutput::default() })
    }

    pub fn delete_bucket(&self, name: &str) -> S3Result<()> {
        let mut state = self.lock();
        if !state.bucket(name)?.objects.is_empty() {
            return Err(s3_error!(BucketNotEmpty, "The bucket you tried to delete is not empty"));
        }
        state.buckets.remove(name);
        Ok(())
    }

    pub fn list_buckets(&self) -> ListBucketsOutput {
        let listed = |(name, bucket): (&String, &Bucket)| ListedBucket {
            name: Some(name.clone()),
            creation_date: Some(bucket.created.into()),
            bucket_region: Some(self.region.to_string()),
        };
        ListBucketsOutput {
            buckets: Some(self.lock().buckets.iter().map(listed).collect()),
            owner: Some(Owner { id: Some("lab".to_owned()), ..Owner::default() }),
            ..ListBucketsOutput::default()
        }
    }

    pub fn location(&self, bucket: &str) -> S3Result<GetBucketLocationOutput> {
        self.lock().bucket(bucket)?;
        let constraint = (&*self.region != FIRST_REGION).then(|| BucketLocationConstraint::from(self.region.to_string()));
        Ok(GetBucketLocationOutput { location_constraint: constraint })
    }

    pub fn set_lifecycle(&self, input: PutBucketLifecycleConfigurationInput) -> S3Result<()> {
        let rules = input.lifecycle_configuration.map(|configuration| configuration.rules).filter(|rules| !rules.is_empty());
        let rules = rules.ok_or_else(|| s3_error!(MalformedXML, "A lifecycle configuration has at least one rule"))?;
        self.lock().bucket(&input.bucket)?.lifecycle = Some(rules);
        Ok(())
    }

    pub fn lifecycle(&self, bucket: &str) -> S3Result<GetBucketLifecycleConfigurationOutput> {
        let rules = self.lock().bucket(bucket)?.lifecycle.clone();
        let rules = rules.ok_or_else(|| s3_error!(NoSuchLifecycleConfiguration, "The lifecycle configuration does not exist"))?;
        Ok(GetBucketLifecycleConfigurationOutput { rules: Some(rules), ..GetBucketLifecycleConfigurationOutput::default() })
    }

    pub fn public_access(&self, bucket: &str) -> S3Result<PublicAccessBlockConfiguration> {
        self.lock().bucket(bucket)?.public_access.clone().ok_or_else(|| {
            let code = S3ErrorCode::Custom("NoSuchPublicAccessBlockConfiguration".into());
            let mut error = S3Error::with_message(code, "The public access block configuration was not found");
            error.set_status_code(http::StatusCode::NOT_FOUND);
            error
        })
    }
}
