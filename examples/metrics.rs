//! What the logger says of itself, scraped over HTTP: ring depth, drops, lag. An alarm is raised when a ring was 80 %
//! full.
//!
//! `cargo run --release --example metrics [ADDRESS]`. With an address, such as `127.0.0.1:9184`, it serves
//! `/metrics` for a Prometheus until it is ended. Without one it scrapes itself twice, before and after a burst that
//! its ring cannot hold.

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use kymo::{Logger, Overflow, Stats, info};

fn main() -> Result<(), Box<dyn Error>> {
    let path = std::env::temp_dir().join("metrics.kymo");
    let logger = Logger::builder(&path)
        .overwrite(true)
        // Too small for a burst.
        .ring_capacity(64 << 10)
        .overflow(Overflow::DropNewest)
        .start()?;
    let address = std::env::args().nth(1);
    let listener = TcpListener::bind(address.as_deref().unwrap_or("127.0.0.1:0"))?;
    let to = listener.local_addr()?;
    println!("http://{to}/metrics");
    if address.is_some() {
        serve(&listener, &logger, usize::MAX);
        return Ok(());
    }
    thread::scope(|scope| {
        scope.spawn(|| serve(&listener, &logger, 2));
        println!("before: {:?}", alarms(&scrape(to)?));
        (0..1_000_000).for_each(|order| info!("order {order}"));
        logger.flush();
        println!("after: {:?}", alarms(&scrape(to)?));
        Ok(())
    })
}

/// Answers so many requests.
pub fn serve(listener: &TcpListener, logger: &Logger, requests: usize) {
    for stream in listener.incoming().take(requests) {
        // A client that went away is its own problem.
        let _ = stream.and_then(|stream| answer(&stream, logger));
    }
}

fn answer(mut stream: &TcpStream, logger: &Logger) -> std::io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    stream.set_write_timeout(Some(Duration::from_secs(1)))?;
    // The first line says what is wanted; 8 KiB are more than a scraper sends.
    let mut head = BufReader::new(stream.take(8 << 10)).lines();
    let wanted = head.next().transpose()?.unwrap_or_default();
    while head.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let (status, body) = match wanted.starts_with("GET /metrics ") {
        true => ("200 OK", logger.stats().to_prometheus()),
        false => ("404 Not Found", "it is at /metrics\n".to_owned()),
    };
    let (kind, len) = (Stats::PROMETHEUS_CONTENT_TYPE, body.len());
    write!(stream, "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n")?;
    write!(stream, "Content-Length: {len}\r\nConnection: close\r\n\r\n{body}")
}

/// Asks as Prometheus does, and returns the text.
pub fn scrape(to: SocketAddr) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(to)?;
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: {to}\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer.split_once("\r\n\r\n").unwrap_or_default().1.to_owned())
}

/// What to alarm of: `kymo_ring_high_water_bytes / kymo_ring_capacity_bytes >= 0.8`, as a rule of Prometheus has it.
pub fn alarms(text: &str) -> Vec<String> {
    let values = |name: &str| -> Vec<(String, f64)> {
        let samples = text.lines().filter_map(|line| line.strip_prefix(name)?.rsplit_once(' '));
        samples.filter_map(|(ring, value)| Some((ring.to_owned(), value.parse().ok()?))).collect()
    };
    let (high, all) = (values("kymo_ring_high_water_bytes"), values("kymo_ring_capacity_bytes"));
    let full = high.into_iter().zip(all).filter(|((_, high), (_, all))| *high >= 0.8 * all);
    full.map(|((ring, high), (_, all))| format!("{ring} had {high} of {all} bytes")).collect()
}
