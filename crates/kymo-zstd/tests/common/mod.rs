//! Segments of many shapes.
#![allow(dead_code, reason = "each test uses a part")]

use kymo_testing::segment::Segment;
use proptest::prelude::*;

/// As many cases, or as many as `PROPTEST_CASES` says.
pub fn config(cases: u32) -> ProptestConfig {
    let default = ProptestConfig::default();
    let cases = if default.cases == 256 { cases } else { default.cases };
    ProptestConfig { cases, failure_persistence: None, ..default }
}

/// What a segment is like.
#[derive(Clone, Debug)]
pub struct Shape {
    /// The lengths of its frames, and how random they are.
    pub frames: Vec<(usize, u8)>,
    /// 0: not closed; 1: closed without an index; more: a step at every so many frames.
    pub end: usize,
    /// Bytes that are no frames at the end, or none.
    pub garbage: Vec<u8>,
    pub level: i32,
    pub seed: u64,
}

impl Shape {
    /// A few mebibytes.
    pub fn long() -> Self {
        let frames = (0..400).map(|n| (n * 37 % 30_000, (n % 3) as u8)).collect();
        Self { frames, end: 20, garbage: Vec::new(), level: 3, seed: 3 }
    }
}

pub fn shapes() -> impl Strategy<Value = Shape> {
    let length = prop_oneof![
        8 => 0..2_000_usize,
        2 => 0..200_000_usize,
        1 => Just(1 << 20),
        1 => Just((1 << 20) - 9),
    ];
    let frames = prop::collection::vec((length, 0..3_u8), 0..40);
    let garbage = prop_oneof![
        3 => Just(Vec::new()),
        1 => prop::collection::vec(any::<u8>(), 0..3_000),
        1 => Just(vec![0; 3 << 20]),
    ];
    (frames, 0..8_usize, garbage, 1..5, any::<u64>())
        .prop_map(|(frames, end, garbage, level, seed)| Shape { frames, end, garbage, level, seed })
}

pub fn segment(shape: &Shape) -> Vec<u8> {
    let mut random = fastrand::Rng::with_seed(shape.seed);
    let mut segment = Segment::new(shape.seed as u32);
    segment.clock(1_000_000).site(0, 3, "message", &[]).thread(1, "worker");
    for (n, &(length, kind)) in shape.frames.iter().enumerate() {
        let payload: Vec<u8> = match kind {
            0 => (0..length).map(|_| random.u8(..)).collect(),
            1 => vec![7; length],
            _ => (0..length).map(|at| (at / 7) as u8).collect(),
        };
        segment.frame(77, &payload);
        if n % 5 == 0 {
            segment.clock_at(n as u64, 1_000_000 + n as i64);
        }
    }
    match shape.end {
        0 => segment.commit(),
        1 => segment.close(),
        every => segment.close_with_index(every),
    };
    segment.bytes.extend_from_slice(&shape.garbage);
    segment.bytes
}

pub fn compressed(segment: &[u8], level: i32) -> Vec<u8> {
    let mut file = Vec::new();
    let mut last = 0;
    let written = kymo_zstd::write(segment, &mut file, level, |done| {
        assert!(done > last && done <= segment.len() as u64);
        last = done;
        true
    });
    assert_eq!(written.unwrap(), file.len() as u64);
    assert_eq!(last, segment.len() as u64);
    file
}
