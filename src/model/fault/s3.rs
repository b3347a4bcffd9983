//! S3: the change store.

use super::{Class, Page};

pub const REQUEST: Page = Page {
    code: "S3-001",
    title: "a request to S3 failed",
    class: Class::Transient,
    evidence: &["object", "status", "code", "message", "request_id", "cause", "tries"],
    meaning: "The request did not succeed. A record is written last, so half-written files are never loaded.",
    next: &["db-to-redshift check"],
};

pub const CONNECT: Page = Page {
    code: "S3-002",
    title: "S3 cannot be reached",
    class: Class::Transient,
    evidence: &["object", "cause", "status", "code", "message", "request_id", "tries"],
    meaning: "No connection was made, or it broke before an answer came. Files without a record are never loaded.",
    next: &[
        "check s3.endpoint_url and s3.region",
        "see that a proxy or the VPC endpoint lets this machine through",
        "db-to-redshift check",
    ],
};

pub const TIMEOUT: Page = Page {
    code: "S3-003",
    title: "S3 did not answer in time",
    class: Class::Transient,
    evidence: &["object", "status", "code", "message", "request_id", "cause", "tries"],
    meaning: "The request may or may not have been carried out. Everything that this program repeats is safe to repeat.",
    next: &["db-to-redshift check", "start the job again", "raise s3.timeout if the line is slow"],
};

pub const DENIED: Page = Page {
    code: "S3-004",
    title: "S3 denies access",
    class: Class::Failed,
    evidence: &["object", "status", "code", "message", "request_id", "cause"],
    meaning: "The credentials are valid but may not do this. Nothing was changed by the refused request.",
    next: &[
        "grant s3:ListBucket on the bucket and s3:GetObject, s3:PutObject, s3:DeleteObject, s3:AbortMultipartUpload on its objects",
        "with SSE-KMS also grant kms:GenerateDataKey and kms:Decrypt on the key",
        "db-to-redshift check",
    ],
};

pub const NO_BUCKET: Page = Page {
    code: "S3-005",
    title: "the bucket does not exist",
    class: Class::Failed,
    evidence: &["object", "status", "code", "message", "request_id", "cause"],
    meaning: "Nothing was read and nothing was written.",
    next: &["check s3.bucket and s3.region", "db-to-redshift prepare # creates the bucket"],
};

pub const NO_CREDENTIALS: Page = Page {
    code: "S3-006",
    title: "no AWS credentials",
    class: Class::Config,
    evidence: &["cause", "object", "status", "code", "message", "request_id"],
    meaning: "Neither the configuration nor the AWS chain (environment, profile files, web identity, container, instance role) gave any.",
    next: &[
        "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
        "or give the machine a role",
        "aws sts get-caller-identity shows what the chain finds",
        "db-to-redshift check # says whether it is right now",
    ],
};

pub const BAD_CREDENTIALS: Page = Page {
    code: "S3-007",
    title: "S3 does not know these credentials",
    class: Class::Config,
    evidence: &["object", "status", "code", "message", "request_id", "cause"],
    meaning: "The access key does not exist or the secret key does not belong to it. Nothing was changed.",
    next: &[
        "aws sts get-caller-identity shows who the credentials are",
        "take a new access key",
        "db-to-redshift check # says whether it is right now",
    ],
};

pub const EXPIRED: Page = Page {
    code: "S3-008",
    title: "the AWS credentials have expired",
    class: Class::Failed,
    evidence: &["object", "status", "code", "message", "request_id", "cause"],
    meaning: "The session token is past its time. What was recorded before stays; the job can go on with new credentials.",
    next: &[
        "take new credentials; with AWS SSO: aws sso login, then eval \"$(aws configure export-credentials --format env)\"",
        "start the job again",
        "db-to-redshift retry",
    ],
};

pub const CLOCK_SKEW: Page = Page {
    code: "S3-009",
    title: "this machine's clock is wrong",
    class: Class::Failed,
    evidence: &["object", "status", "code", "message", "request_id", "cause"],
    meaning: "S3 refuses requests that are signed more than 15 minutes away from its own time. Nothing was changed.",
    next: &["set the clock: timedatectl status, chronyc tracking", "db-to-redshift check # says whether it is right now"],
};

pub const SLOW_DOWN: Page = Page {
    code: "S3-010",
    title: "S3 asks to slow down",
    class: Class::Transient,
    evidence: &["object", "status", "code", "message", "request_id", "cause", "tries"],
    meaning: "Too many requests for this prefix, and the retries were used up. The refused requests changed nothing.",
    next: &["start the job again later", "lower extract.parallel and load.parallel", "db-to-redshift retry"],
};

pub const WRONG_REGION: Page = Page {
    code: "S3-011",
    title: "the bucket lives in another region",
    class: Class::Config,
    evidence: &["object", "status", "code", "message", "request_id", "cause"],
    meaning: "The request went to a region that does not hold the bucket. Nothing was changed.",
    next: &[
        "set s3.region to the bucket's region: aws s3api get-bucket-location --bucket <bucket>",
        "db-to-redshift check # says whether it is right now",
    ],
};

pub const WRITE_UNKNOWN: Page = Page {
    code: "S3-012",
    title: "the answer to a conditional write was lost",
    class: Class::Transient,
    evidence: &["object", "last", "column", "line", "tries"],
    meaning: "The object was written or it was not, and it may still appear. No file that a record could name is deleted. The next job reads what stands there and goes on from it.",
    next: &["start the job again", "db-to-redshift retry"],
};

pub const CONFLICT: Page = Page {
    code: "S3-013",
    title: "writes of one object keep colliding",
    class: Class::Transient,
    evidence: &["object", "tries", "status", "code", "message", "request_id", "cause"],
    meaning: "S3 answered 409 or 412 again and again: others write the same object. Ours was not written.",
    next: &["db-to-redshift status # shows who else works on the table", "start the job again"],
};

pub const NO_CONDITIONS: Page = Page {
    code: "S3-014",
    title: "the store does not honour conditional writes",
    class: Class::Config,
    evidence: &["object"],
    meaning: "If-None-Match and If-Match are what keeps two extractors from writing the same batch. Without them nothing is safe, so nothing is written.",
    next: &[
        "use a store that honours them: AWS S3 does",
        "look for an option or a newer version of this store",
        "db-to-redshift check # says whether it is right now",
    ],
};

pub const UNREADABLE: Page = Page {
    code: "S3-015",
    title: "an object in S3 cannot be read",
    class: Class::Human,
    evidence: &["object", "line", "column", "version", "known", "table", "epoch", "seq"],
    meaning: "A record or control object is not what this version of the program writes: made by a newer version, or changed by hand. Nothing was guessed.",
    next: &["run the version of this program that wrote it", "restore the object from a version of the bucket", "db-to-redshift check"],
};

pub const KEY_TOO_LONG: Page = Page {
    code: "S3-016",
    title: "a key in S3 would be too long",
    class: Class::Config,
    evidence: &["table", "bytes", "most"],
    meaning: "S3 takes keys of up to 1,024 bytes; a table's name and the prefix together exceed that.",
    next: &[
        "shorten s3.prefix or pipeline",
        "mode = \"skip\" under [[table]] leaves the table out",
        "db-to-redshift check # says whether it is right now",
    ],
};

pub const MISSING: Page = Page {
    code: "S3-017",
    title: "an object in S3 has gone",
    class: Class::Failed,
    evidence: &["object", "status", "code", "message", "request_id", "cause"],
    meaning: "An object that was there a moment ago is not: a lifecycle rule, another tool or another job has deleted it.",
    next: &["db-to-redshift status", "see that no lifecycle rule of the bucket expires objects under s3.prefix"],
};

pub const NOT_DELETED: Page = Page {
    code: "S3-018",
    title: "objects in S3 could not be deleted",
    class: Class::Failed,
    evidence: &["<key>"],
    meaning: "Only space is lost: no record names these files, or they are loaded already. The next clean-up tries again.",
    next: &[
        "grant s3:DeleteObject on the objects",
        "see whether an object lock holds them",
        "db-to-redshift recover # deletes what nobody needs, once it may",
    ],
};

pub const BUCKET_TAKEN: Page = Page {
    code: "S3-019",
    title: "the bucket's name belongs to somebody else",
    class: Class::Config,
    evidence: &["object", "status", "code", "message", "request_id", "cause"],
    meaning: "Bucket names are shared by all AWS accounts. Nothing was created.",
    next: &["choose another s3.bucket", "db-to-redshift check # says whether it is right now"],
};

pub const SETTINGS: Page = Page {
    code: "S3-020",
    title: "the S3 settings do not suffice",
    class: Class::Config,
    evidence: &[],
    meaning: "No request was sent.",
    next: &["set s3.region, or AWS_REGION", "check s3.bucket and s3.endpoint_url", "db-to-redshift check # says whether it is right now"],
};

pub const NOT_IMPLEMENTED: Page = Page {
    code: "S3-021",
    title: "the store does not offer this request",
    class: Class::Config,
    evidence: &["object", "status", "code", "message", "request_id", "cause"],
    meaning: "This S3-compatible store lacks something that the program needs. Nothing was changed by the request.",
    next: &["look for a newer version of the store", "db-to-redshift check"],
};

pub const PAGES: &[&Page] = &[
    &REQUEST,
    &CONNECT,
    &TIMEOUT,
    &DENIED,
    &NO_BUCKET,
    &NO_CREDENTIALS,
    &BAD_CREDENTIALS,
    &EXPIRED,
    &CLOCK_SKEW,
    &SLOW_DOWN,
    &WRONG_REGION,
    &WRITE_UNKNOWN,
    &CONFLICT,
    &NO_CONDITIONS,
    &UNREADABLE,
    &KEY_TOO_LONG,
    &MISSING,
    &NOT_DELETED,
    &BUCKET_TAKEN,
    &SETTINGS,
    &NOT_IMPLEMENTED,
];
