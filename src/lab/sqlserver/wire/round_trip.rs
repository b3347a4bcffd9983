//! Tests: every type and value that the server writes reads back as a parameter.

use proptest::prelude::*;

use super::super::types::{DataType, Datum};
use super::bytes::Reader;
use super::parameters::{self, ParameterError};
use super::{type_info, values};

fn written(data_type: &DataType, nullable: bool, value: &Datum) -> Vec<u8> {
    let mut out = Vec::new();
    type_info::put(&mut out, data_type, !nullable);
    values::put(&mut out, data_type, nullable, value).unwrap();
    out
}

fn check(data_type: &DataType, value: &Datum) {
    for nullable in [true, false] {
        let bytes = written(data_type, nullable, value);
        let mut reader = Reader::new(&bytes);
        let (read_type, read) = parameters::read(&mut reader).unwrap();
        assert!(reader.is_empty());
        assert_eq!((&read_type, &read), (data_type, value));
        // Every shorter piece is refused, never misread.
        for length in 0..bytes.len().min(40) {
            assert!(parameters::read(&mut Reader::new(&bytes[..length])).is_err());
        }
    }
    let null = written(data_type, true, &Datum::Null);
    assert_eq!(parameters::read(&mut Reader::new(&null)), Ok((data_type.clone(), Datum::Null)));
}

const DAY: u64 = 864_000_000_000;
const DAYS: u32 = 3_652_059;

fn ticks(scale: u8) -> impl Strategy<Value = u64> {
    let unit = 10_u64.pow(u32::from(7 - scale));
    (0..DAY / unit).prop_map(move |units| units * unit)
}

fn text(most: usize) -> impl Strategy<Value = Datum> {
    prop::collection::vec(any::<u16>(), 0..=most).prop_map(Datum::Text)
}

/// Text within the code page.
fn latin(most: usize) -> impl Strategy<Value = Datum> {
    let unit = any::<u8>().prop_map(super::code_page::decode);
    prop::collection::vec(unit, 0..=most).prop_map(Datum::Text)
}

fn bytes(most: usize) -> impl Strategy<Value = Datum> {
    prop::collection::vec(any::<u8>(), 0..=most).prop_map(Datum::Bytes)
}

fn timed() -> impl Strategy<Value = (DataType, Datum)> {
    (0..=7_u8, 0..DAYS, -840..=840_i16).prop_flat_map(|(scale, days, offset)| {
        ticks(scale).prop_flat_map(move |ticks| {
            prop_oneof![
                Just((DataType::Time(scale), Datum::Time(ticks))),
                Just((DataType::DateTime2(scale), Datum::DateTime2 { days, ticks })),
                Just((DataType::DateTimeOffset(scale), Datum::DateTimeOffset { days, ticks, offset })),
            ]
        })
    })
}

fn decimal() -> impl Strategy<Value = (DataType, Datum)> {
    (1..=38_u8).prop_flat_map(|precision| {
        let limit = 10_i128.pow(u32::from(precision)) - 1;
        (0..=precision, -limit..=limit)
            .prop_map(move |(scale, unscaled)| (DataType::Decimal { precision, scale }, Datum::Decimal { unscaled, scale }))
    })
}

fn simple() -> impl Strategy<Value = (DataType, Datum)> {
    prop_oneof![
        any::<bool>().prop_map(|value| (DataType::Bit, Datum::Bit(value))),
        any::<u8>().prop_map(|value| (DataType::TinyInt, Datum::Int(value.into()))),
        any::<i16>().prop_map(|value| (DataType::SmallInt, Datum::Int(value.into()))),
        any::<i32>().prop_map(|value| (DataType::Int, Datum::Int(value.into()))),
        any::<i64>().prop_map(|value| (DataType::BigInt, Datum::Int(value))),
        any::<f32>().prop_map(|value| (DataType::Real, Datum::Real(value))),
        any::<f64>().prop_map(|value| (DataType::Float, Datum::Float(value))),
        any::<i64>().prop_map(|value| (DataType::Money, Datum::Money(value))),
        any::<i32>().prop_map(|value| (DataType::SmallMoney, Datum::Money(value.into()))),
        any::<[u8; 16]>().prop_map(|value| (DataType::UniqueIdentifier, Datum::Guid(value))),
        (0..DAYS).prop_map(|days| (DataType::Date, Datum::Date(days))),
        any::<(i32, u32)>().prop_map(|(days, ticks)| (DataType::DateTime, Datum::DateTime { days, ticks })),
        any::<(u16, u16)>().prop_map(|(days, minutes)| (DataType::SmallDateTime, Datum::SmallDateTime { days, minutes })),
    ]
}

fn long() -> impl Strategy<Value = (DataType, Datum)> {
    prop_oneof![
        text(20).prop_map(|value| (DataType::NVarChar(Some(20)), value)),
        text(20).prop_map(|value| (DataType::NChar(20), value)),
        text(300).prop_map(|value| (DataType::NVarChar(None), value)),
        latin(20).prop_map(|value| (DataType::VarChar(Some(20)), value)),
        latin(20).prop_map(|value| (DataType::Char(20), value)),
        latin(300).prop_map(|value| (DataType::VarChar(None), value)),
        bytes(20).prop_map(|value| (DataType::VarBinary(Some(20)), value)),
        bytes(20).prop_map(|value| (DataType::Binary(20), value)),
        bytes(300).prop_map(|value| (DataType::VarBinary(None), value)),
    ]
}

proptest! {
    #[test]
    fn what_is_written_reads_back((data_type, value) in prop_oneof![simple(), decimal(), timed(), long()]) {
        // NaN is not equal to itself, and SQL Server has none.
        prop_assume!(value == value.clone());
        check(&data_type, &value);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        let _ = parameters::read(&mut Reader::new(&bytes));
        let _ = super::calls::read(&bytes);
        let _ = super::transactions::read(&bytes);
        let _ = super::login::Login::read(&bytes);
        let _ = super::prelogin::client_encryption(&bytes);
    }
}

#[test]
fn what_a_column_cannot_hold_is_refused() {
    let refused = |data_type: DataType, value: Datum| values::put(&mut Vec::new(), &data_type, true, &value).unwrap_err();
    assert_eq!(refused(DataType::TinyInt, Datum::Int(-1)).0, "a number out of the type's range");
    assert_eq!(refused(DataType::Int, Datum::Bit(true)).0, "a value of another type");
    assert_eq!(refused(DataType::NVarChar(Some(2)), Datum::Text(vec![65; 3])).0, "a value longer than the type");
    assert_eq!(refused(DataType::Time(2), Datum::Time(1)).0, "a time with more digits than its scale");
    assert_eq!(refused(DataType::Time(7), Datum::Time(DAY)).0, "a time past midnight");
    assert_eq!(refused(DataType::Date, Datum::Date(1 << 24)).0, "a date out of range");
    let digits = DataType::Decimal { precision: 3, scale: 1 };
    assert_eq!(refused(digits.clone(), Datum::Decimal { unscaled: 1000, scale: 1 }).0, "a decimal of more digits than its precision");
    assert_eq!(refused(digits, Datum::Decimal { unscaled: 1, scale: 2 }).0, "a decimal of another scale");
    let null = values::put(&mut Vec::new(), &DataType::Int, false, &Datum::Null).unwrap_err();
    assert_eq!(null.0, "NULL in a column declared NOT NULL");
}

#[test]
fn known_bytes() {
    assert_eq!(written(&DataType::Money, false, &Datum::Money(1)), [0x3C, 0, 0, 0, 0, 1, 0, 0, 0]);
    assert_eq!(
        written(&DataType::Decimal { precision: 5, scale: 2 }, true, &Datum::Decimal { unscaled: -300, scale: 2 }),
        [0x6A, 5, 5, 2, 5, 0, 44, 1, 0, 0]
    );
    assert_eq!(written(&DataType::Time(3), true, &Datum::Time(10_000)), [0x29, 3, 4, 1, 0, 0, 0]);
    let guid = Datum::Guid([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]);
    assert_eq!(written(&DataType::UniqueIdentifier, true, &guid)[3..], [4, 3, 2, 1, 6, 5, 8, 7, 9, 10, 11, 12, 13, 14, 15, 16]);
    let chunks = written(&DataType::VarBinary(None), true, &Datum::Bytes(vec![9, 8]));
    assert_eq!(chunks, [0xA5, 0xFF, 0xFF, 2, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 9, 8, 0, 0, 0, 0]);
    let empty = written(&DataType::VarBinary(None), true, &Datum::Bytes(vec![]));
    assert_eq!(empty[3..], [0; 12]);
}

#[test]
fn chunks_of_unknown_total_are_joined_and_a_wrong_total_refused() {
    let with_total = |total: [u8; 8]| [&[0xA5, 0xFF, 0xFF], &total[..], &[1, 0, 0, 0, 7, 2, 0, 0, 0, 8, 9, 0, 0, 0, 0]].concat();
    let unknown = with_total([0xFE, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]);
    assert_eq!(parameters::read(&mut Reader::new(&unknown)), Ok((DataType::VarBinary(None), Datum::Bytes(vec![7, 8, 9]))));
    let wrong = with_total([4, 0, 0, 0, 0, 0, 0, 0]);
    assert_eq!(parameters::read(&mut Reader::new(&wrong)), Err(ParameterError::Malformed));
}

#[test]
fn old_long_types_read_as_max() {
    let text = [0x23, 255, 255, 255, 127, 9, 4, 0xD0, 0, 0x34, 2, 0, 0, 0, 0x80, b'x'];
    let read = parameters::read(&mut Reader::new(&text)).unwrap();
    assert_eq!(read, (DataType::VarChar(None), Datum::Text(vec![0x20AC, u16::from(b'x')])));
    let null = [0x22, 255, 255, 255, 127, 255, 255, 255, 255];
    assert_eq!(parameters::read(&mut Reader::new(&null)), Ok((DataType::VarBinary(None), Datum::Null)));
    assert_eq!(parameters::read(&mut Reader::new(&[0xF3])), Err(ParameterError::UnknownType(0xF3)));
}
