//! What the badge says of a profile.

use std::path::Path;

use crate::config::{Settings, Tls};
use crate::console::seam::{Kind, Place};

/// `config`: the file as it was named on the command line.
pub fn place(settings: &Settings, profiles: Vec<String>, config: Option<&Path>) -> Place {
    let bucket =
        if settings.s3.prefix.is_empty() { settings.s3.bucket.clone() } else { format!("{}/{}", settings.s3.bucket, settings.s3.prefix) };
    let users = (&settings.source.user, &settings.redshift.user);
    Place {
        profile: settings.profile.clone(),
        pipeline: settings.pipeline.clone(),
        kind: kind(settings),
        source: format!("{}/{}", settings.source.host, settings.source.database),
        bucket,
        cluster: format!("{}/{}", settings.redshift.host, settings.redshift.database),
        user: if users.0 == users.1 { users.0.clone() } else { format!("{} / {}", users.0, users.1) },
        insecure: insecure(settings),
        profiles,
        // A copied line is to mean the same file wherever it is run.
        config: config.map(|path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned())),
    }
}

fn kind(settings: &Settings) -> Kind {
    let local = |host: &str| host == "localhost" || host.starts_with("127.") || host == "::1";
    if settings.protected || settings.profile.to_lowercase().contains("prod") {
        Kind::Production
    } else if local(&settings.source.host) && local(&settings.redshift.host) {
        Kind::Lab
    } else {
        Kind::Staging
    }
}

/// Switching verification off is shown by every screen.
fn insecure(settings: &Settings) -> Option<String> {
    let word = |name: &str, tls: &Tls| match tls {
        Tls::Verify { .. } => None,
        Tls::TrustAny => Some(format!("{name} TLS not verified")),
        Tls::Off => Some(format!("{name} TLS off")),
    };
    let words: Vec<String> = [word("source", &settings.source.tls), word("target", &settings.redshift.tls)].into_iter().flatten().collect();
    (!words.is_empty()).then(|| words.join(", "))
}
