//! Values for the table that has every type: edges, ordinary ones, NULL.

use rand::RngExt;
use rand::rngs::StdRng;

use super::values::{ansi, bytes, clock, guid, large, moment, offset, or_null, phrase, pick, plain, text};

/// The columns that may be set, with their edges as T-SQL literals. The edges stay inside what
/// Redshift can hold: see the mapping of types.
const EDGES: &[(&str, &[&str])] = &[
    ("F_bit", &["0", "1"]),
    ("F_tiny", &["0", "255", "127"]),
    ("F_small", &["-32768", "32767", "0"]),
    ("F_int", &["-2147483648", "2147483647", "0"]),
    ("F_big", &["-9223372036854775808", "9223372036854775807", "0"]),
    ("F_dec9", &["-9999999.99", "9999999.99", "0.00", "-0.01"]),
    ("F_dec19", &["-9999999999999999999", "9999999999999999999", "0"]),
    ("F_dec38", &["-99999999999999999999999999.999999999999", "99999999999999999999999999.999999999999", "0.000000000001"]),
    ("F_money", &["-922337203685477.5808", "922337203685477.5807", "0.0001"]),
    ("F_smoney", &["-214748.3648", "214748.3647", "0"]),
    ("F_real", &["-3.4028235E38", "3.4028235E38", "1.1754944E-38", "0", "0.1"]),
    ("F_float", &["-1.7976931348623157E308", "1.7976931348623157E308", "2.2250738585072014E-308", "0", "0.1"]),
    ("F_char", &["''", "'          '", "'ten chars!'", "'x'"]),
    ("F_varchar", &["''", "'   '", "'trailing   '"]),
    ("F_nchar", &["N''", "N'☕'", "N'ten chars!'"]),
    ("F_nvar", &["N''", "N'  '", "N'🫘 bean '", "N'\\N'"]),
    ("F_vmax", &["''", "'short'"]),
    ("F_nvmax", &["N''", "N'short 🫘'"]),
    ("F_binary", &["0x0000000000000000", "0xFFFFFFFFFFFFFFFF", "0x00000000000000FF"]),
    ("F_varbin", &["0x", "0x00", "0xFF00FF"]),
    ("F_vbmax", &["0x", "0x00"]),
    ("F_date", &["'0001-01-01'", "'9999-12-31'", "'2024-02-29'", "'1582-10-10'"]),
    ("F_time0", &["'00:00:00'", "'23:59:59'"]),
    ("F_time7", &["'00:00:00.0000000'", "'23:59:59.9999999'", "'12:00:00.0000001'"]),
    ("F_dt", &["'1753-01-01T00:00:00.000'", "'9999-12-31T23:59:59.997'", "'2024-02-29T12:00:00.003'"]),
    ("F_sdt", &["'1900-01-01T00:00:00'", "'2079-06-06T23:59:00'"]),
    ("F_dt23", &["'0001-01-01T00:00:00.000'", "'9999-12-31T23:59:59.999'"]),
    ("F_dt27", &["'0001-01-01T00:00:00.0000000'", "'9999-12-31T23:59:59.9999999'"]),
    ("F_dto", &["'0001-01-02T00:00:00.0000000+14:00'", "'9999-12-30T23:59:59.9999999-12:00'", "'2024-03-31T02:30:00.1234567+01:00'"]),
    ("F_guid", &["'00000000-0000-0000-0000-000000000000'", "'FFFFFFFF-FFFF-FFFF-FFFF-FFFFFFFFFFFF'"]),
];

fn ordinary(rng: &mut StdRng, column: &str) -> String {
    match column {
        "F_bit" => u8::from(rng.random::<bool>()).to_string(),
        "F_tiny" => rng.random::<u8>().to_string(),
        "F_small" => rng.random::<i16>().to_string(),
        "F_int" => rng.random::<i32>().to_string(),
        "F_big" | "F_dec19" => rng.random::<i64>().to_string(),
        "F_dec9" => format!("{}.{:02}", rng.random_range(-9_999_999..=9_999_999), rng.random_range(0..100)),
        "F_dec38" => format!("{}.{:012}", rng.random::<i64>(), rng.random_range(0..1_000_000_000_000_i64)),
        "F_money" | "F_smoney" => format!("{}.{:04}", rng.random_range(-200_000..200_000), rng.random_range(0..10_000)),
        "F_real" | "F_float" => format!("{:E}", f64::from(rng.random_range(-1_000_000..1_000_000)) / 1024.0),
        "F_char" => ansi(plain(rng).chars().take(10).collect::<String>()),
        "F_varchar" => ansi(plain(rng)),
        "F_nchar" => text(pick(rng, &["Röst", "ä ö", "x\ty", "it's", "コーヒー"])),
        "F_nvar" => text(phrase(rng)),
        "F_vmax" => {
            let length = rng.random_range(10..12_000);
            ansi(large(rng, length).chars().filter(char::is_ascii).collect::<String>())
        }
        "F_nvmax" => {
            let length = rng.random_range(10..12_000);
            text(large(rng, length))
        }
        "F_binary" => bytes(rng, 8),
        "F_varbin" => {
            let length = rng.random_range(0..=40);
            bytes(rng, length)
        }
        "F_vbmax" => {
            let length = rng.random_range(0..4000);
            bytes(rng, length)
        }
        "F_date" => format!("'{}'", super::values::day(rng)),
        "F_time0" => format!("'{}'", clock(rng, 0)),
        "F_time7" => format!("'{}'", clock(rng, 7)),
        "F_dt" | "F_dt23" => format!("'{}'", moment(rng, 3)),
        "F_sdt" => format!("'{}'", moment(rng, 0)),
        "F_dt27" => format!("'{}'", moment(rng, 7)),
        "F_dto" => format!("'{}{}'", moment(rng, 7), offset(rng)),
        _ => guid(rng),
    }
}

fn value(rng: &mut StdRng, column: &str, edges: &[&str]) -> String {
    or_null(rng, 6, |rng| if rng.random_ratio(2, 5) { (*pick(rng, edges)).to_owned() } else { ordinary(rng, column) })
}

/// `INSERT` of one row.
pub fn insert(rng: &mut StdRng, key: i64) -> String {
    let names: Vec<&str> = EDGES.iter().map(|(name, _)| *name).collect();
    let values: Vec<String> = EDGES.iter().map(|(name, edges)| value(rng, name, edges)).collect();
    format!("INSERT INTO lab.Measurement (SampleNo, {}) VALUES ({key}, {});", names.join(", "), values.join(", "))
}

/// `UPDATE` of some columns of one row.
pub fn update(rng: &mut StdRng, key: i64) -> String {
    let count = rng.random_range(1..6);
    let mut at: Vec<usize> = (0..count).map(|_| rng.random_range(0..EDGES.len())).collect();
    at.sort_unstable();
    at.dedup();
    let set: Vec<String> = at.iter().map(|at| format!("{} = {}", EDGES[*at].0, value(rng, EDGES[*at].0, EDGES[*at].1))).collect();
    format!("UPDATE lab.Measurement SET {} WHERE SampleNo = {key};", set.join(", "))
}

/// One row for each place in the lists of edges: every edge at least once.
pub fn edges() -> Vec<String> {
    let most = EDGES.iter().map(|(_, edges)| edges.len()).max().unwrap_or_default();
    let names: Vec<&str> = EDGES.iter().map(|(name, _)| *name).collect();
    (0..most)
        .map(|at| {
            let values: Vec<&str> = EDGES.iter().map(|(_, edges)| edges[at % edges.len()]).collect();
            format!("INSERT INTO lab.Measurement (SampleNo, {}) VALUES ({}, {});", names.join(", "), at + 1, values.join(", "))
        })
        .collect()
}

/// How many rows [`edges`] has.
#[must_use]
pub fn edge_rows() -> i64 {
    EDGES.iter().map(|(_, edges)| i64::try_from(edges.len()).unwrap_or_default()).max().unwrap_or_default()
}
