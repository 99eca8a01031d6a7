//! The derive macro of [kymo](https://docs.rs/kymo), which re-exports it with the feature `derive`. Do not use this
//! crate directly: its interface belongs to one version of `kymo`.
//!
//! One type passes through these modules in order:
//!
//! | module | turns | into |
//! | --- | --- | --- |
//! | `attributes` | `#[kymo(…)]` | what is to be done with a type, a variant or a field |
//! | `input` | the item | its fields and variants, checked |
//! | `format` | a format string with names of fields | one with positions of fields |
//! | `expand` | all that | the implementation of `kymo::Argument` |
//!
//! It uses `syn`, which the macros of the log statements do without: generics and lifetimes are where parsers made by
//! hand break.

mod attributes;
mod expand;
mod format;
mod input;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

/// Lets log statements take a struct or an enum of the program as it is.
///
/// The fields are copied into the record, one by one: a struct of four integers costs what four integers cost. Nothing
/// is formatted in the call. Names of types, fields and variants are in the file once, beside the statement.
///
/// ```
/// # use kymo::{Logger, info, reader::Reader};
/// #[derive(Debug, kymo::Value)]
/// struct Order<'a> {
///     id: u64,
///     side: Side,
///     venue: &'a str,
/// }
///
/// #[derive(Debug, kymo::Value)]
/// enum Side {
///     Buy,
///     Sell { short: bool },
/// }
///
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("app.kymo");
/// # let logger = Logger::builder(&path).start()?;
/// let order = Order { id: 17, side: Side::Sell { short: true }, venue: "XETR" };
/// info!("new {order:?}");
/// info!(order; "filled");
/// # let quiet = Order { side: Side::Buy, ..order };
/// # info!(quiet; "filled");
/// # logger.shutdown();
/// # let mut reader = Reader::open(&path)?;
/// # let mut next = || -> Result<String, Box<dyn std::error::Error>> {
/// #     let mut text = String::new();
/// #     reader.next_record()?.expect("a record").message(&mut text);
/// #     Ok(text)
/// # };
/// # assert_eq!(next()?, format!("new {order:?}"));
/// # assert_eq!(next()?, format!("filled order={:?}", format!("{order:?}")));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// - **Text**: `{:?}` and `{:#?}` print what `#[derive(Debug)]` prints. As in `format!`, the type has to be `Debug` for
///   these, but its `Debug` is never called.
/// - **JSON**: structs are objects, tuple structs are arrays, a struct around one value is that value. Enums are tagged
///   as serde tags them: `"Buy"`, `{"Sell":{"short":true}}`.
/// - **Expressions** of `--where` reach fields: `order.id == 17`.
///
/// Fields can be of all types that are an `Argument`: scalars, strings, `Option`, tuples, collections, and
/// other types that derive this. Generics and lifetimes are possible. A type parameter has to be an `Argument` if a
/// field has it.
///
/// # Attributes
///
/// | attribute | of | means |
/// | --- | --- | --- |
/// | `skip` | a field | It is not logged. |
/// | `redact` | a field | It is not logged, and printed as `***`. |
/// | `debug`, `display` | a field | The call formats it with its `Debug` or its `Display`. So a field can be of any type. |
/// | `hex` | a field | Text has the integer in hexadecimal, `0x1f`. JSON and expressions have the number. |
/// | `unit = "ns"` | a field | Text has the unit after the value, `12ns`. |
/// | `rename = "…"` | a field, a variant, a type | It has this name in the log. |
/// | `format = "…"` | a struct, a variant | `{}` prints this. It names fields as `format!` does: `"{id}@{px:.2}"`, `"{0}"`. |
/// | `transparent` | a struct with one field | It is logged as that field, without a name. |
/// | `crate = "…"` | a type | The path of kymo, if it is not `::kymo`. |
///
/// ```
/// # use kymo::{Logger, info, reader::Reader};
/// #[derive(kymo::Value)]
/// #[kymo(format = "{id}@{price:.2}")]
/// struct Order {
///     id: u64,
///     price: f64,
///     #[kymo(redact)]
///     client: String,
///     #[kymo(debug)]
///     placed: std::time::SystemTime,
///     #[kymo(hex)]
///     flags: u8,
/// }
/// # let dir = tempfile::tempdir()?;
/// # let path = dir.path().join("app.kymo");
/// # let logger = Logger::builder(&path).start()?;
/// # let placed = std::time::SystemTime::now();
/// # let order = Order { id: 17, price: 3.14159, client: "ann".into(), placed, flags: 31 };
/// info!("new order {order}"); // new order 17@3.14
/// # logger.shutdown();
/// # let mut reader = Reader::open(&path)?;
/// # let mut text = String::new();
/// # let record = reader.next_record()?.expect("a record");
/// # record.message(&mut text);
/// # assert_eq!(text, "new order 17@3.14");
/// # text.clear();
/// # kymo::reader::json::write_fields(&record, &mut text);
/// # assert!(text.contains(r#""client":"***""#) && text.contains(r#""flags":31"#), "{text}");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// `format` implements `Display` for the type as well, so that `format!` prints the same text. If each variant of an
/// enum that has fields has a `format`, the enum is `Display`; variants without fields print their names.
///
/// Names of private fields are in the log. What must not be there is for `skip` or `redact`.
///
/// # Limits
///
/// - A type may be nested 16 deep, and made of 1,024 types; a variant counts as one. The types of a statement's
///   arguments take at most 65,536 bytes, names included. What exceeds this does not compile.
/// - A recursive type has no description of finite length. Give the field `debug`.
/// - Fields that the call formats (`debug`, `display`) cannot be within a collection, which does not compile: wrap the
///   whole, `kymo::as_debug(&list)`.
/// - Fields of a `packed` struct cannot be borrowed, which the compiler says.
///
/// ```compile_fail,E0080
/// #[derive(kymo::Value)]
/// struct Placed(#[kymo(debug)] std::time::SystemTime);
/// let placed = vec![Placed(std::time::SystemTime::now())];
/// kymo::info!(placed; "new orders");
/// ```
#[proc_macro_derive(Value, attributes(kymo))]
pub fn value(tokens: TokenStream) -> TokenStream {
    let item = parse_macro_input!(tokens as DeriveInput);
    let code = input::parse(&item).and_then(|item| expand::expand(&item));
    code.unwrap_or_else(|error| error.into_compile_error()).into()
}
