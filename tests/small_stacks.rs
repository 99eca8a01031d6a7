//! How much of its stack a thread needs to log, its first call and its end included. Threads of 64 KiB are usual where
//! there are many of them.

use kymo_testing::logged;

use std::collections::BTreeMap;
use std::ffi::c_void;
use std::mem::MaybeUninit;
use std::ptr;
use std::time::Duration;

use kymo::{Builder, Clock, Level, Overflow, WriteThrough, debug, error, info, trace, warn};
use logged::Turn;

/// What a thread may use of its stack, in bytes: of 64 KiB, something is left for the program.
const MOST_BYTES: usize = 48 << 10;

/// How long the stacks are on which that is measured, in bytes.
const STACK_BYTES: usize = 512 << 10;

/// What no byte of a stack is likely to be.
const UNTOUCHED: u8 = 0xA5;

/// Runs a function in a thread of its own. Returns how many bytes of its stack that used, with what
/// the system needs for a thread.
fn stack_used(run: fn()) -> usize {
    extern "C" fn main(run: *mut c_void) -> *mut c_void {
        // SAFETY: a function of this type was made that pointer below.
        let run: fn() = unsafe { std::mem::transmute(run) };
        run();
        ptr::null_mut()
    }
    let mut map = memmap2::MmapOptions::new().len(STACK_BYTES).map_anon().unwrap();
    map.fill(UNTOUCHED);
    let mut attributes = MaybeUninit::uninit();
    let mut thread = MaybeUninit::uninit();
    // SAFETY: valid for a write.
    assert_eq!(unsafe { libc::pthread_attr_init(attributes.as_mut_ptr()) }, 0);
    let stack = map.as_mut_ptr().cast();
    // SAFETY: initialised above; the memory lives until the thread has ended.
    let set = unsafe { libc::pthread_attr_setstack(attributes.as_mut_ptr(), stack, STACK_BYTES) };
    assert_eq!(set, 0);
    let (to, run) = (thread.as_mut_ptr(), run as *mut c_void);
    // SAFETY: valid for a write, initialised, and a function of the right type.
    let made = unsafe { libc::pthread_create(to, attributes.as_ptr(), main, run) };
    assert_eq!(made, 0);
    // SAFETY: written above.
    let thread = unsafe { thread.assume_init() };
    // SAFETY: made above, and joined once.
    let joined = unsafe { libc::pthread_join(thread, ptr::null_mut()) };
    assert_eq!(joined, 0);
    map.iter().position(|byte| *byte != UNTOUCHED).map_or(0, |at| STACK_BYTES - at)
}

#[derive(Clone, Debug)]
#[expect(dead_code, reason = "it is formatted")]
struct Nested {
    name: &'static str,
    inner: Option<Box<Nested>>,
}

/// Each kind of argument, one after the other.
const CALLS: &[(&str, fn())] = &[
    ("nothing", || {}),
    ("prepare_thread", || {
        kymo::prepare_thread();
    }),
    ("no arguments", || info!("nothing")),
    ("numbers", || info!("{} {:x} {:.2} {}", 1, 2_u128, 1.5, 'x')),
    ("a text", || info!("{}", "text")),
    ("a text that is cut", || info!("{} {}", "x".repeat(100_000), 1)),
    ("an option", || info!("{:?}", Some("text"))),
    ("a list", || info!("{:?}", [Some(1.5); 8])),
    ("a list that is cut", || info!("{:?}", vec!["text"; 10_000])),
    ("a tuple", || info!("{:?}", (1, "two", [3.0; 3]))),
    ("a map", || info!("{:?}", (0..100).map(|n| (n, "text")).collect::<BTreeMap<_, _>>())),
    ("an address", || info!("{}", std::net::IpAddr::from([1; 16]))),
    ("a duration", || info!("{:?}", Duration::from_secs(1))),
    ("display", || info!("{:>10}", kymo::as_display(1.5))),
    ("a long display", || info!("{}", kymo::as_display("x".repeat(100_000)))),
    ("debug", || {
        let inner = Nested { name: "inner", inner: None };
        info!("{:#?}", kymo::as_debug(Nested { name: "outer", inner: Some(Box::new(inner)) }));
    }),
    ("many arguments", || {
        info!(
            "{} {} {} {} {} {} {} {} {} {} {} {}",
            1, 2, 3, "four", 5.0, 6, 7, "eight", 9, 10, 11, 12
        );
    }),
    ("all levels", || {
        error!("{}", 1);
        warn!("{}", 2);
        info!("{}", 3);
        debug!("{}", 4);
        trace!("{}", 5);
    }),
    ("flush", || {
        info!("{}", 1);
        kymo::flush();
    }),
];

fn rings(builder: Builder) -> Builder {
    builder.crash_proof("/dev/shm").ring_capacity(64 << 10)
}

fn flight(builder: Builder) -> Builder {
    builder.flight_recorder(Level::Debug, 64 << 10)
}

fn oldest(builder: Builder) -> Builder {
    builder.overflow_at(Level::Info, Overflow::OverwriteOldest)
}

/// Its threads write these records themselves.
fn critical(builder: Builder) -> Builder {
    builder.write_through(WriteThrough::at(Level::Warn).timeout(Duration::ZERO).synced())
}

type Options = fn(Builder) -> Builder;

const LOGGERS: &[(&str, Options)] = &[
    ("plain", |builder| builder),
    ("coarse", |builder| builder.clock(Clock::Coarse)),
    ("crash-proof", rings),
    ("flight recorder", flight),
    ("overwriting", oldest),
    ("critical", critical),
    ("all", |builder| critical(oldest(flight(rings(builder))))),
];

/// A thread of 64 KiB overflowed its stack at its first call, in a debug build.
#[test]
fn a_thread_of_64_kib_logs() {
    let mut most = (0, "", "");
    for &(logger, choose) in LOGGERS {
        let turn = Turn::take();
        let logger_runs = choose(turn.builder()).start().unwrap();
        for &(call, run) in CALLS {
            let used = stack_used(run);
            most = most.max((used, logger, call));
        }
        assert_eq!(logger_runs.shutdown().dropped, 0);
    }
    // The test's output says so, if it is asked for.
    println!("{most:?} bytes");
    assert!(most.0 <= MOST_BYTES, "{most:?}");
}
