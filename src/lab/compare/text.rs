//! One text form for a value of either side.

use super::{DataType, Datum};
use crate::lab::sqlserver::engine::value::convert::convert;
use crate::lab::sqlserver::engine::value::spatial::Shape;

const TICKS_PER_SECOND: u64 = 10_000_000;
/// Days from 0001-01-01 to 1900-01-01.
const DAYS_TO_1900: i64 = 693_595;

/// A value of SQL Server as production should hold it.
pub fn of_source(value: &Datum, data_type: &DataType) -> Option<String> {
    let wide = DataType::NVarChar(None);
    match (data_type, value) {
        (_, Datum::Null) => return None,
        // Shapes without Z, M and SRID, as STAsText writes them.
        (DataType::Geography | DataType::Geometry, Datum::Text(units)) => {
            return Shape::of_stored(&String::from_utf16_lossy(units)).map(|shape| shape.flat());
        }
        (DataType::HierarchyId | DataType::SqlVariant, _) => {
            return convert(value, data_type, &wide, 0).ok().and_then(|shown| of_source(&shown, &wide));
        }
        _ => {}
    }
    Some(match value {
        Datum::Null | Datum::Variant(_) => return None,
        // An empty field is NULL to COPY in every type but text: `prepare` warns of it.
        Datum::Bytes(bytes) if bytes.is_empty() => return None,
        Datum::Bit(bit) => if *bit { "t" } else { "f" }.to_owned(),
        Datum::Int(number) => number.to_string(),
        Datum::Decimal { unscaled, scale } => decimal(*unscaled, *scale),
        Datum::Money(units) => decimal(i128::from(*units), 4),
        Datum::Real(number) => float(f64::from(*number)),
        Datum::Float(number) => float(*number),
        // What UTF-8 and a load file cannot hold becomes U+FFFD on the way.
        Datum::Text(units) => String::from_utf16_lossy(units).replace('\0', "\u{fffd}"),
        Datum::Bytes(bytes) => hex(bytes),
        Datum::Date(days) => date(i64::from(*days)),
        Datum::Time(ticks) => time(*ticks),
        Datum::DateTime { days, ticks } => {
            // SQL Server shows 1/300 s as whole milliseconds.
            let milliseconds = (u64::from(*ticks) * 10 + 1) / 3;
            format!("{} {}", date(i64::from(*days) + DAYS_TO_1900), time(milliseconds * 10_000))
        }
        Datum::SmallDateTime { days, minutes } => {
            format!("{} {}", date(i64::from(*days) + DAYS_TO_1900), time(u64::from(*minutes) * 60 * TICKS_PER_SECOND))
        }
        Datum::DateTime2 { days, ticks } | Datum::DateTimeOffset { days, ticks, .. } => {
            format!("{} {}", date(i64::from(*days)), time(*ticks))
        }
        Datum::Guid(bytes) => {
            let digits = hex(bytes);
            format!("{}-{}-{}-{}-{}", &digits[..8], &digits[8..12], &digits[12..16], &digits[16..20], &digits[20..])
        }
    })
}

/// The expression that reads a column of production. Names are folded to lower case there.
pub fn select(column: &str, data_type: &DataType) -> String {
    let name = format!("\"{}\"", column.to_lowercase().replace('"', "\"\""));
    match data_type {
        DataType::Binary(_) | DataType::VarBinary(_) | DataType::RowVersion | DataType::Image => format!("TO_HEX({name})"),
        _ => name,
    }
}

/// A cell of production in the form of [`of_source`].
pub fn of_target(cell: &str, data_type: &DataType) -> String {
    match data_type {
        DataType::Real => float_text(cell, true),
        DataType::Float => float_text(cell, false),
        DataType::Time(_) | DataType::DateTime | DataType::SmallDateTime | DataType::DateTime2(_) => six_digits(cell),
        DataType::DateTimeOffset(_) => six_digits(cell.strip_suffix("+00").unwrap_or(cell)),
        DataType::UniqueIdentifier => cell.trim_end().to_lowercase(),
        _ => cell.to_owned(),
    }
}

fn decimal(unscaled: i128, scale: u8) -> String {
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = usize::from(scale) + 1);
    let (whole, fraction) = digits.split_at(digits.len() - usize::from(scale));
    let sign = if unscaled < 0 { "-" } else { "" };
    if fraction.is_empty() { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

/// Equal bits, equal text; zero has one sign.
fn float(number: f64) -> String {
    format!("{:016x}", (number + 0.0).to_bits())
}

/// A number that does not read as one stays as it is, and so differs.
fn float_text(text: &str, single: bool) -> String {
    let number = if single { text.parse::<f32>().map(f64::from).ok() } else { text.parse::<f64>().ok() };
    number.map_or_else(|| text.to_owned(), float)
}

fn hex(bytes: &[u8]) -> String {
    crate::model::hex(bytes)
}

/// The civil date of a day counted from 0001-01-01, by Howard Hinnant's algorithm.
fn date(days: i64) -> String {
    // Days from 0000-03-01, where eras of 400 years begin.
    let z = days + 306;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// Six fraction digits, the seventh cut.
fn time(ticks: u64) -> String {
    let seconds = ticks / TICKS_PER_SECOND;
    format!("{:02}:{:02}:{:02}.{:06}", seconds / 3600, seconds / 60 % 60, seconds % 60, ticks % TICKS_PER_SECOND / 10)
}

/// PostgreSQL leaves trailing zeros of a fraction out.
fn six_digits(text: &str) -> String {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    format!("{whole}.{fraction:0<6}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_count_from_year_one() {
        assert_eq!(date(0), "0001-01-01");
        assert_eq!(date(DAYS_TO_1900), "1900-01-01");
        assert_eq!(date(3_652_058), "9999-12-31");
        assert_eq!(date(737_117), "2019-02-28");
        assert_eq!(date(737_483), "2020-02-29");
    }

    #[test]
    fn both_sides_meet() {
        let same =
            |value: Datum, data_type: DataType, cell: &str| assert_eq!(of_source(&value, &data_type), Some(of_target(cell, &data_type)));
        same(Datum::Float(0.1), DataType::Float, "0.1");
        same(Datum::Real(0.1), DataType::Real, "0.1");
        same(Datum::Float(-0.0), DataType::Float, "0");
        same(Datum::Time(863_999_999_999), DataType::Time(7), "23:59:59.999999");
        same(Datum::DateTime { days: 0, ticks: 1 }, DataType::DateTime, "1900-01-01 00:00:00.003");
        same(Datum::Money(-5), DataType::Money, "-0.0005");
        same(Datum::Bytes(vec![0x58]), DataType::HierarchyId, "/1/");
        same(Datum::Variant(Box::new((DataType::Int, Datum::Int(-7)))), DataType::SqlVariant, "-7");
        same(Datum::Text("0;POINT (1 2 3)".encode_utf16().collect()), DataType::Geometry, "POINT (1 2)");
        same(Datum::DateTimeOffset { days: 0, ticks: 0, offset: 60 }, DataType::DateTimeOffset(7), "0001-01-01 00:00:00+00");
    }
}
