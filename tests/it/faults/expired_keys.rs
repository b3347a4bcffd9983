//! Temporary keys that end while an extract is under way.

use std::slice;
use std::sync::Arc;
use std::time::Duration;

use db_to_redshift::config::{S3Credentials, Secret};
use db_to_redshift::lab::s3::TemporaryKeys;
use db_to_redshift::model::fault::{Class, s3};
use db_to_redshift::store::ChangeStore;
use db_to_redshift::store::s3::S3Store;

use crate::support::rig::{Rig, TestEngine, done, fault, row};

/// An engine whose store has these keys.
async fn engine(rig: &Rig, keys: &TemporaryKeys) -> TestEngine {
    let mut settings = rig.settings.s3.clone();
    settings.credentials = Some(S3Credentials {
        access_key_id: keys.access_key.clone(),
        secret_access_key: Secret::new(keys.secret_key.clone()),
        session_token: Some(Secret::new(keys.session_token.clone())),
    });
    let mut engine = Arc::into_inner(rig.rival(|_| {})).unwrap();
    engine.store = Arc::new(S3Store::connect(&settings, &rig.settings.pipeline).await.unwrap());
    Arc::new(engine)
}

/// Before the part files are written, and between them and the record.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_that_expire_amid_an_extract_stop_it_and_new_ones_go_on() {
    let rig = Rig::start().await;
    let table = rig.prepared().await;
    let life = Duration::from_hours(1);
    for (seq, parts_written) in [(1, false), (2, true)] {
        let n = i64::try_from(seq).unwrap();
        rig.source.with(|inner| inner.commit(|tran| tran.insert(&table, row(n, "x", n))));
        let keys = rig.s3.lab.temporary_keys(life);
        let extracting = engine(&rig, &keys).await;
        let mut gate = rig.source.hold("changes");
        let extract = tokio::spawn({
            let table = table.clone();
            async move { extracting.extract(slice::from_ref(&table)).await }
        });
        gate.reached().await;
        if parts_written {
            // The guards before the record ask for it, after the last part file.
            let before_record = rig.source.hold("watermarks");
            gate.open();
            before_record.reached().await;
            gate = before_record;
        }
        let parts = rig
            .s3
            .lab
            .keys("changes", "")
            .into_iter()
            .filter(|key| key.contains(&format!("{seq:012}")) && key.ends_with(".csv.zst"))
            .count();
        assert_eq!(parts, usize::from(parts_written));
        rig.s3.lab.expire_temporary_keys();
        gate.open();
        let met = fault(extract.await.unwrap());
        assert!(met.is(&s3::EXPIRED) && met.class() == Class::Failed, "{met:?}");
        for secret in [&keys.access_key, &keys.secret_key, &keys.session_token] {
            assert!(!format!("{met:?}").contains(secret.as_str()), "{met:?}");
        }
        assert_eq!(rig.s3.store.head(&table, 1, 0).await.unwrap(), seq - 1, "nothing was recorded");

        let renewed = engine(&rig, &rig.s3.lab.temporary_keys(life)).await;
        done(renewed.sync(slice::from_ref(&table)).await);
        assert_eq!(rig.s3.store.head(&table, 1, 0).await.unwrap(), seq);
        rig.assert_equal(&table).await;
    }
}
