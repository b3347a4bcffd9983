//! Part files say exactly what the rows said: read back by a CSV parser of the test's own.

use std::io::Read as _;

use db_to_redshift::encode::{BatchWriter, RowFormat};
use db_to_redshift::model::fault::sync::{KEY_UNFIT, MARKER_MET, ROW_UNFIT};
use db_to_redshift::model::record::{Layout, RowCounts};
use db_to_redshift::model::{Column, Decimal, Fault, Keep, SqlType, StagedOp, StagedRow, TableShape, Unfit, Value};
use proptest::prelude::*;
use uuid::Uuid;

use crate::support::column::column;

const MARKER: &str = "7b0c5f6e-52b5-4f0d-9f35-3c1a52f3a111";

/// A field as it stands in the file: its text, and whether it was quoted.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Field {
    Bare(String),
    Quoted(String),
}

fn b(text: impl Into<String>) -> Field {
    Field::Bare(text.into())
}

fn q(text: impl Into<String>) -> Field {
    Field::Quoted(text.into())
}

/// Reads CSV: quoted fields with doubled quotes, bare fields without any quote, `\n` ends a line.
fn parse(text: &str) -> Vec<Vec<Field>> {
    let (mut lines, mut line) = (Vec::new(), Vec::new());
    let mut chars = text.chars().peekable();
    while chars.peek().is_some() {
        let field = if chars.next_if_eq(&'"').is_some() {
            let mut field = String::new();
            loop {
                match chars.next().expect("an unclosed quote") {
                    '"' if chars.next_if_eq(&'"').is_some() => field.push('"'),
                    '"' => break,
                    c => field.push(c),
                }
            }
            Field::Quoted(field)
        } else {
            let mut field = String::new();
            while let Some(c) = chars.next_if(|c| !matches!(c, ',' | '\n')) {
                assert!(c != '"', "a quote inside a bare field");
                field.push(c);
            }
            Field::Bare(field)
        };
        line.push(field);
        match chars.next().expect("a line without an end") {
            ',' => {}
            '\n' => lines.push(std::mem::take(&mut line)),
            c => panic!("{c:?} behind a quoted field"),
        }
    }
    assert!(line.is_empty());
    lines
}

fn unzip(bytes: &[u8]) -> String {
    let mut text = String::new();
    zstd::stream::read::Decoder::new(bytes).unwrap().read_to_string(&mut text).unwrap();
    text
}

fn shape(types: &[(SqlType, bool)]) -> TableShape {
    let column = |(at, (sql_type, key)): (usize, &(SqlType, bool))| {
        let id = i32::try_from(at).unwrap() + 1;
        Column { nullable: true, ..column(&format!("c{at}"), id, sql_type.clone(), key.then_some(1)) }
    };
    TableShape::new(types.iter().enumerate().map(column).collect())
}

fn row(op: StagedOp, order: i64, values: Vec<Value>, keep: &[Keep]) -> StagedRow {
    StagedRow { op, order, values, keep: keep.to_vec() }
}

fn encode(shape: &TableShape, layout: Layout, rows: &[StagedRow]) -> Result<(Vec<Vec<Field>>, RowCounts), Fault> {
    let mut writer = BatchWriter::new(RowFormat::new(shape, layout, MARKER, 42)?, u64::MAX, 3);
    rows.iter().try_for_each(|row| writer.push(row))?;
    let end = writer.finish_part()?;
    assert_eq!(end.rows, rows.len() as u64);
    Ok((parse(&unzip(&end.rest)), writer.counts()))
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

#[test]
fn changes_carry_operation_batch_order_and_flags() {
    let shape = shape(&[(SqlType::Int, true), (SqlType::NVarCharMax, false), (SqlType::VarBinaryMax, false)]);
    let rows = [
        row(StagedOp::Upsert, 1, vec![Value::Int(7), text(""), Value::Null], &[Keep::Value, Keep::Kept]),
        row(StagedOp::Delete, 2, vec![Value::Int(8), text("a\0"), Value::Null], &[Keep::Value, Keep::Value]),
        row(StagedOp::Upsert, 3, vec![Value::Int(9), Value::Null, Value::Null], &[Keep::Gone, Keep::Value]),
    ];
    let (lines, counts) = encode(&shape, Layout::Changes, &rows).unwrap();
    assert_eq!(
        lines,
        [
            vec![b("U"), b("42"), b("1"), b("7"), q(""), b(MARKER), b(MARKER), b("k")],
            vec![b("D"), b("42"), b("2"), b("8"), b(MARKER), b(MARKER), b(MARKER), b(MARKER)],
            vec![b("U"), b("42"), b("3"), b("9"), b(MARKER), b(MARKER), b("g"), b(MARKER)],
        ]
    );
    assert_eq!(counts, RowCounts { upserts: 2, deletes: 1, kept: 1, gone: 1, ..RowCounts::default() });
}

#[test]
fn what_was_replaced_or_emptied_is_counted() {
    let shape = shape(&[(SqlType::Int, true), (SqlType::NVarCharMax, false), (SqlType::VarBinary { length: 9 }, false)]);
    let rows = [
        row(StagedOp::Upsert, 1, vec![Value::Int(1), text("a\0\u{fffd}b\0"), Value::Bytes(vec![])], &[Keep::Value]),
        row(StagedOp::Upsert, 2, vec![Value::Int(2), text("\u{fffd}"), Value::Bytes(vec![0])], &[Keep::Value]),
    ];
    let (_, counts) = encode(&shape, Layout::Production, &rows).unwrap();
    assert_eq!((counts.replaced_nuls, counts.replacement_characters, counts.empty_binaries), (2, 2, 1));
    assert!(counts.unfit.is_empty());
}

#[test]
fn policies_hold_at_the_byte_limit() {
    let plain = shape(&[(SqlType::Int, true), (SqlType::NVarCharMax, false), (SqlType::VarBinaryMax, false)]);
    let write = |unfit, value: &str, bytes: &[u8]| {
        let shape = plain.with_policies(|column| if column.is_key() { Unfit::Fail } else { unfit });
        let format = RowFormat::new(&shape, Layout::Production, MARKER, 1).unwrap().with_limits(&[None, Some(6), Some(2)]);
        let (mut out, mut counts) = (Vec::new(), RowCounts::default());
        let values = vec![Value::Int(1), text(value), Value::Bytes(bytes.to_vec())];
        format.write(&row(StagedOp::Upsert, 1, values, &[Keep::Value, Keep::Value]), &mut out, &mut counts).unwrap();
        (parse(&String::from_utf8(out).unwrap()).remove(0), counts)
    };
    // Four bytes at the limit: whole, or gone.
    let (line, counts) = write(Unfit::Truncate, "ab\u{1F600}", &[1, 2]);
    assert_eq!((line, counts.unfit.len()), (vec![b("1"), q("ab\u{1F600}"), b("0102")], 0));
    let (line, counts) = write(Unfit::Truncate, "abc\u{1F600}", &[1, 2, 3]);
    assert_eq!(line, [b("1"), q("abc"), b("0102")]);
    assert_eq!((counts.unfit["c1"].truncated, counts.unfit["c2"].truncated), (1, 1));
    // A NUL becomes three bytes, and then counts as three.
    let (line, counts) = write(Unfit::Truncate, "abcd\0", &[]);
    assert_eq!((line, counts.unfit["c1"].truncated), (vec![b("1"), q("abcd"), b("")], 1));
    let (line, counts) = write(Unfit::Null, "abcdefg", &[1, 2, 3]);
    assert_eq!((line, counts.unfit["c1"].nulled + counts.unfit["c2"].nulled), (vec![b("1"), b(MARKER), b(MARKER)], 2));
    let (line, counts) = write(Unfit::Fail, "abcdefg", &[1, 2, 3]);
    assert_eq!((line, counts.unfit.len()), (vec![b("1"), q("abcdefg"), b("010203")], 0));
    let (line, _) = write(Unfit::Super, "a\"b", &[]);
    assert_eq!(line, [b("1"), q("\"a\\\"b\""), b("")]);
}

#[test]
fn a_plain_scan_carries_columns_only() {
    let shape = shape(&[(SqlType::Int, true), (SqlType::NVarCharMax, false)]);
    let upsert = row(StagedOp::Upsert, 1, vec![Value::Int(7), text("a\0\"b\",\r\n\0")], &[Keep::Value]);
    let (lines, counts) = encode(&shape, Layout::Production, std::slice::from_ref(&upsert)).unwrap();
    assert_eq!(lines, [[b("7"), q("a\u{fffd}\"b\",\r\n\u{fffd}")]]);
    assert_eq!((counts.upserts, counts.replaced_nuls), (1, 2));

    for (op, keep) in [(StagedOp::Delete, Keep::Value), (StagedOp::Upsert, Keep::Kept)] {
        let wrong = StagedRow { op, keep: vec![keep], ..upsert.clone() };
        assert!(encode(&shape, Layout::Production, &[wrong]).unwrap_err().is(&ROW_UNFIT));
    }
    let narrow = StagedRow { values: vec![Value::Int(7)], ..upsert };
    assert!(encode(&shape, Layout::Production, &[narrow]).unwrap_err().is(&ROW_UNFIT));
}

#[test]
fn a_key_goes_through_unchanged_or_not_at_all() {
    let unfit = [
        Value::Null,
        text("a\0b"),
        text("a\u{fffd}b"),
        Value::Bytes(Vec::new()),
        Value::Time(11),
        Value::Timestamp { days: 1, ticks: 9 },
        Value::TimestampTz { days: 1, ticks: 1, offset_minutes: 0 },
    ];
    let shape = shape(&[(SqlType::Int, true), (SqlType::Int, false)]);
    for value in unfit {
        for op in [StagedOp::Upsert, StagedOp::Delete] {
            let key = row(op, 5, vec![value.clone(), Value::Int(1)], &[]);
            let fault = encode(&shape, Layout::Changes, &[key]).unwrap_err();
            assert!(fault.is(&KEY_UNFIT), "{fault}");
            assert!(fault.facts().contains(&("column".into(), "c0".into())), "{fault}");
        }
        // Outside the key all of them may pass.
        encode(&shape, Layout::Changes, &[row(StagedOp::Upsert, 5, vec![Value::Int(1), value], &[])]).unwrap();
    }
    let fit = [text(""), text("ABC "), Value::Time(10), Value::Bytes(vec![0])];
    for value in fit {
        encode(&shape, Layout::Changes, &[row(StagedOp::Upsert, 5, vec![value, Value::Int(1)], &[])]).unwrap();
    }
}

#[test]
fn a_value_that_equals_the_marker_is_refused() {
    let shape = shape(&[(SqlType::Int, true), (SqlType::Int, false)]);
    for value in [text(MARKER), Value::Uuid(MARKER.parse().unwrap())] {
        let fault = encode(&shape, Layout::Changes, &[row(StagedOp::Upsert, 1, vec![Value::Int(1), value.clone()], &[])]).unwrap_err();
        assert!(fault.is(&MARKER_MET) && !fault.to_string().contains(MARKER), "{fault}");
        assert!(encode(&shape, Layout::Production, &[row(StagedOp::Upsert, 1, vec![value, Value::Int(1)], &[])]).is_err());
    }
    for marker in ["", "a,b", "a\"b", "a b"] {
        assert!(RowFormat::new(&shape, Layout::Changes, marker, 1).is_err(), "{marker:?}");
    }
}

#[test]
fn parts_rotate_by_size_and_chunks_come_early() {
    let shape = shape(&[(SqlType::Int, true), (SqlType::UniqueIdentifier, false)]);
    let mut writer = BatchWriter::new(RowFormat::new(&shape, Layout::Production, MARKER, 1).unwrap(), 600_000, 1);
    let (mut parts, mut part, mut biggest) = (Vec::new(), Vec::new(), 0);
    for at in 0..100_000 {
        writer.push(&row(StagedOp::Upsert, at, vec![Value::Int(at), Value::Uuid(Uuid::new_v4())], &[])).unwrap();
        while let Some(chunk) = writer.take_chunk() {
            biggest = biggest.max(chunk.len());
            part.extend_from_slice(&chunk);
        }
        if writer.should_rotate() {
            let end = writer.finish_part().unwrap();
            part.extend_from_slice(&end.rest);
            parts.push((std::mem::take(&mut part), end.rows));
            assert_eq!(writer.part_rows(), 0);
        }
    }
    let end = writer.finish_part().unwrap();
    part.extend_from_slice(&end.rest);
    parts.push((part, end.rows));
    assert!(writer.finish_part().is_err(), "no part is open");

    assert!(parts.len() > 2, "{} parts", parts.len());
    assert!((1..512 * 1024).contains(&biggest), "chunks of {biggest} bytes");
    let full = &parts[..parts.len() - 1];
    assert!(full.iter().all(|(bytes, _)| (500_000..900_000).contains(&bytes.len())));
    let mut next = 0;
    for (bytes, rows) in &parts {
        let lines = parse(&unzip(bytes));
        assert_eq!(lines.len() as u64, *rows);
        for line in lines {
            assert_eq!(line[0], b(next.to_string()));
            next += 1;
        }
    }
    assert_eq!((next, writer.counts().rows()), (100_000, 100_000));
}

/// A value with the field that must stand in the file for it.
fn value() -> impl Strategy<Value = (Value, Field)> {
    prop_oneof![
        Just((Value::Null, b(MARKER))),
        any::<bool>().prop_map(|v| (Value::Bool(v), b(if v { "t" } else { "f" }))),
        any::<i64>().prop_map(|v| (Value::Int(v), b(v.to_string()))),
        (-(10_i128.pow(38) - 1)..10_i128.pow(38), 0..=38_u8).prop_map(|(unscaled, scale)| {
            let v = Decimal { unscaled, scale };
            (Value::Decimal(v), b(v.to_string()))
        }),
        "(\\PC|[\"\\\\,\r\n\t\u{0}]){0,40}".prop_map(|v| (text(&v), q(v.replace('\0', "\u{fffd}")))),
        proptest::collection::vec(any::<u8>(), 0..20).prop_map(|v| (Value::Bytes(v.clone()), b(db_to_redshift::model::hex(&v)))),
        any::<u128>().prop_map(|v| (Value::Uuid(Uuid::from_u128(v)), b(Uuid::from_u128(v).to_string()))),
        // Day 0 and the ticks of a day as jiff counts them, an independent calendar.
        (0..3_652_059_i32, 0..864_000_000_000_u64).prop_map(|(days, ticks)| {
            let day = jiff::civil::date(1, 1, 1).checked_add(jiff::Span::new().days(days)).unwrap();
            let time = jiff::civil::time(0, 0, 0, 0)
                .checked_add(jiff::Span::new().nanoseconds(i64::try_from(ticks / 10 * 1000).unwrap()))
                .unwrap();
            (Value::Timestamp { days, ticks }, b(day.to_datetime(time).strftime("%Y-%m-%d %H:%M:%S.%6f").to_string()))
        }),
    ]
}

proptest! {
    #[test]
    fn what_is_read_back_is_what_was_written(cells in proptest::collection::vec(proptest::collection::vec(value(), 6), 1..20)) {
        let shape = shape(&vec![(SqlType::Int, false); 6]);
        let rows: Vec<_> = cells
            .iter()
            .zip(0..)
            .map(|(cells, order)| row(StagedOp::Upsert, order, cells.iter().map(|(value, _)| value.clone()).collect(), &[]))
            .collect();
        let (lines, counts) = encode(&shape, Layout::Production, &rows).unwrap();
        let expected: Vec<Vec<Field>> = cells.iter().map(|cells| cells.iter().map(|(_, field)| field.clone()).collect()).collect();
        prop_assert_eq!(&lines, &expected);
        prop_assert_eq!(counts.rows(), cells.len() as u64);
        // Only NULL stands as the bare marker.
        for (cells, line) in cells.iter().zip(&lines) {
            for ((value, _), field) in cells.iter().zip(line) {
                prop_assert_eq!(value.is_null(), *field == b(MARKER));
            }
        }
    }

    #[test]
    fn floats_read_back_to_the_same_bits(wide in any::<f64>(), narrow in any::<f32>()) {
        prop_assume!(wide.is_finite() && narrow.is_finite());
        let shape = shape(&[(SqlType::Float, false), (SqlType::Real, false)]);
        let row = row(StagedOp::Upsert, 0, vec![Value::Float(wide), Value::Real(narrow)], &[]);
        let (lines, _) = encode(&shape, Layout::Production, &[row]).unwrap();
        let [Field::Bare(a), Field::Bare(c)] = &lines[0][..] else { panic!("{lines:?}") };
        prop_assert_eq!(a.parse::<f64>().unwrap().to_bits(), wide.to_bits());
        prop_assert_eq!(c.parse::<f32>().unwrap().to_bits(), narrow.to_bits());
        prop_assert!(a.len() <= 24 && c.len() <= 24, "{} {}", a, c);
    }
}
