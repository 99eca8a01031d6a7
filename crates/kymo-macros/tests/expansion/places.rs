//! The places in which a statement can be, and what its arguments can do.

use std::fmt::Display;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use crate::{Level, info, logged};

fn values(run: impl FnOnce()) -> Vec<String> {
    logged(Level::Info, run).into_iter().flat_map(|record| record.values).collect()
}

#[test]
fn lines_and_columns() {
    let records = logged(Level::Info, || {
        info!("one");
        (info!("two {}", line!()), ());
    });
    let [one, two] = &records[..] else { panic!("{} records", records.len()) };
    assert_eq!(two.values, [two.location.line.to_string()]);
    assert_eq!((one.location.line + 1, one.location.column), (two.location.line, 9));
    assert_eq!(two.location.column, 10);
    assert_eq!(one.location.file, file!());
}

#[test]
fn expressions_and_closures() {
    let found = values(|| {
        match 7 {
            1 => info!("one {}", 1),
            id => info!("{id}"),
        }
        let statement = |x: u32| info!("{x}");
        statement(1);
        let () = info!("{}", 2);
        (3..5).for_each(|x| info!("{x}"));
        let moved = 5;
        let statement = move || info!("{moved} {}", moved + 1);
        statement();
        if found_out() { info!("{}", 7) } else { info!("{}", 8) }
    });
    assert_eq!(found, ["7", "1", "2", "3", "4", "6", "5", "7"]);
}

fn found_out() -> bool {
    true
}

struct Generic<T>(T);

impl<T: Display> Generic<T> {
    fn log<'a, U: Display + ?Sized>(&'a self, other: &'a U) {
        info!("{self} {} {}", self.0, *other, self = 1);
    }
}

#[test]
fn generic_functions_and_unsized_values() {
    let text: &str = "text";
    let found = values(|| {
        Generic(7).log("x");
        Generic('c').log(&2.5);
        info!("{} {}", *text, text[1..]);
    });
    assert_eq!(found, ["7", "x", "1", "c", "2.5", "1", "text", "ext"]);
}

#[test]
fn arguments_that_leave() {
    fn question(text: &str) -> Result<(), std::num::ParseIntError> {
        info!("{}", text.parse::<u32>()?);
        Ok(())
    }
    fn returns(value: Option<u32>) -> u32 {
        info!(
            "{}",
            match value {
                Some(value) => value,
                None => return 1,
            }
        );
        2
    }
    let found = values(|| {
        assert!(question("7").is_ok() && question("x").is_err());
        assert_eq!((returns(Some(8)), returns(None)), (2, 1));
        for x in 0..3 {
            info!("{}", if x == 1 { continue } else { x });
        }
    });
    assert_eq!(found, ["7", "8", "0", "2"]);
}

#[test]
fn temporaries_moves_and_nesting() {
    let owned = vec![1, 2];
    let __a0 = 9;
    let found = values(move || {
        info!("{}", String::from("temporary").as_str().trim_end_matches('y'));
        info!("{}", owned.into_iter().sum::<i32>());
        info!("{} {__a0}", {
            info!("inner {}", 0);
            4
        });
    });
    assert_eq!(found, ["temporar", "3", "0", "4", "9"]);
}

#[test]
fn futures_stay_send() {
    async fn one() -> u32 {
        1
    }
    fn require_send<T: Send>(value: T) -> T {
        value
    }
    let found = values(|| {
        let future = require_send(async {
            info!("{} {}", one().await, one().await + 1);
            one().await
        });
        let polled = pin!(future).poll(&mut Context::from_waker(Waker::noop()));
        assert_eq!(polled, Poll::Ready(1));
    });
    assert_eq!(found, ["1", "2"]);
}
