//! No logger at all: a mutex around a buffered file, formatted in place by the thread that logs.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use kymo_peers::peer::{Peer, Producer, Setup};
use kymo_peers::{Result, driver};

struct Plain(Arc<Mutex<BufWriter<File>>>);

struct Calls(Arc<Mutex<BufWriter<File>>>);

impl Peer for Plain {
    type Producer = Calls;

    fn start(setup: &Setup) -> Result<Self> {
        let file = File::create(setup.file())?;
        Ok(Self(Arc::new(Mutex::new(BufWriter::with_capacity(64 << 10, file)))))
    }

    fn producer(&self) -> Calls {
        Calls(self.0.clone())
    }

    fn stop(self) -> Result<Option<u64>> {
        self.0.lock().expect("nothing panics under it").flush()?;
        Ok(Some(0))
    }
}

impl Calls {
    fn write(&self, line: std::fmt::Arguments<'_>) {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let mut file = self.0.lock().expect("nothing panics under it");
        let seconds = now.as_secs();
        writeln!(file, "{seconds}.{:09} INFO  {} {line}", now.subsec_nanos(), module_path!())
            .expect("the file can be written");
    }
}

impl Producer for Calls {
    #[inline(always)]
    fn mixed(&mut self, id: u64, px: f64, who: &str) {
        self.write(format_args!("order {id} filled at {px} for {who}"));
    }

    #[inline(always)]
    fn ints(&mut self, a: u64, b: u64, c: u64) {
        self.write(format_args!("tick {a} {b} {c}"));
    }

    #[inline(always)]
    fn without_arguments(&mut self) {
        self.write(format_args!("heartbeat"));
    }

    #[inline(always)]
    fn str64(&mut self, text: &str) {
        self.write(format_args!("text {text}"));
    }

    #[inline(always)]
    fn disabled(&mut self, _id: u64, _px: f64, _who: &str) {}
}

fn main() -> std::process::ExitCode {
    driver::main::<Plain>()
}
