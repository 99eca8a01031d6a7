//! What the reader writes as JSON parses to the value that was logged.

mod encode;

use std::error::Error;
use std::fmt::Debug;
use std::time::Duration;

use encode::{Encode, encoded};
use kymo::Logger;
use kymo_reader::{Reader, Type, json};
use proptest::prelude::*;
use serde::de::DeserializeOwned;

fn json_of<T: Encode>(value: &T) -> String {
    let encoded = encoded(value);
    let ty = Type::parse(&encoded.ty).expect("a type");
    let value = ty.decode(&mut &encoded.bytes[..]).expect("a value");
    let mut out = String::new();
    json::write_value(&value, &mut out);
    out
}

fn there_and_back<T: Encode + DeserializeOwned + PartialEq + Debug>(value: &T) {
    let json = json_of(value);
    let parsed: T = serde_json::from_str(&json).unwrap_or_else(|e| panic!("{json}: {e}"));
    assert_eq!(&parsed, value, "{json}");
}

proptest! {
    #[test]
    fn integers_and_what_is_made_of_them(
        wide in any::<(u128, i128)>(),
        narrow in any::<(u64, i64, bool)>(),
        small in any::<Vec<(u8, Option<i16>)>>(),
    ) {
        there_and_back(&wide);
        there_and_back(&narrow);
        there_and_back(&small);
    }

    #[test]
    fn strings_and_chars(text in any::<Vec<String>>(), c in any::<char>()) {
        there_and_back(&text);
        there_and_back(&c);
    }

    #[test]
    fn floats(bits in any::<(u64, u32)>()) {
        let (long, short) = (f64::from_bits(bits.0), f32::from_bits(bits.1));
        if long.is_finite() {
            there_and_back(&long);
        }
        if short.is_finite() {
            there_and_back(&short);
        }
    }

    #[test]
    fn durations_are_nanoseconds(seconds in any::<u64>(), nanoseconds in 0..1_000_000_000u32) {
        let duration = Duration::new(seconds, nanoseconds);
        prop_assert_eq!(json_of(&duration).parse(), Ok(duration.as_nanos()));
    }
}

#[test]
fn what_json_has_no_notation_for() {
    assert_eq!(json_of(&vec![f64::NAN, f64::INFINITY, -f64::INFINITY]), r#"["NaN","inf","-inf"]"#);
    assert_eq!(json_of(&(None::<u8>, Some(Some(1u8)), ())), "[null,1,[]]");
    let cut = Type::parse(&[0x81, 0x10]).expect("a type");
    let mut out = String::new();
    json::write_value(&cut.decode(&mut &[0b1011, 1, 2][..]).expect("a value"), &mut out);
    assert_eq!(out, r#"[1,2,"…"]"#);
}

/// The fields of a record are its values by their names.
#[test]
fn fields_are_values_by_name() -> Result<(), Box<dyn Error>> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("fields.kymo");
    let logger = Logger::builder(&path).start()?;
    let quoted = "say \"hi\"\n";
    let (number, list) = (-7i64, vec![1.5f64, 2.0]);
    kymo::info!("{} {number} {quoted} {list:?} {0}", 17u64);
    for value in [0.0, -0.5, 1e-7, 1e21, 101.25, f64::NAN, 0.1 + 0.2, 123_456_789.125] {
        kymo::info!("{} {value} {}", "é", 9u8);
    }
    for text in ["", "short", "with \\ in it", "longer than eight \u{1b}[2J", "12345678\""] {
        kymo::info!("{text} {:?}", Some(text));
    }
    kymo::info!("none");
    logger.shutdown();

    let mut reader = Reader::open(&path)?;
    let mut records = 0;
    while let Some(record) = reader.next_record()? {
        let mut expected = String::from("{");
        for (index, (name, value)) in record.arguments().enumerate() {
            expected.push_str(if index == 0 { "" } else { "," });
            let index = index.to_string();
            json::write_string(if name.is_empty() { &index } else { name }, &mut expected);
            expected.push(':');
            json::write_value(&value, &mut expected);
        }
        expected.push('}');
        let mut fields = String::new();
        json::write_fields(&record, &mut fields);
        assert_eq!(fields, expected);
        serde_json::from_str::<serde_json::Value>(&fields)?;
        records += 1;
    }
    assert_eq!(records, 15);
    Ok(())
}
