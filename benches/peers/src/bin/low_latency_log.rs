//! low_latency_log.

use kymo_peers::peer::{Peer, Producer, Setup};
use kymo_peers::{Result, driver};
use low_latency_log::{Logger, LoggerGuard, RollingCondition};

struct LowLatencyLog(LoggerGuard);

struct Calls;

impl Peer for LowLatencyLog {
    type Producer = Calls;

    fn start(setup: &Setup) -> Result<Self> {
        // As its README's example. The default queue is bounded, and a full one waits.
        let directory = setup.directory.to_string_lossy().into_owned();
        let mut logger = Logger::new(RollingCondition::new().daily(), directory, "log".to_owned());
        if let Some(core) = setup.consumer_core {
            logger = logger.cpu(core);
        }
        Ok(Self(logger.init()?))
    }

    fn producer(&self) -> Calls {
        Calls
    }

    fn stop(self) -> Result<Option<u64>> {
        drop(self.0);
        Ok(None)
    }
}

// Its macros move the arguments to the other thread: what is borrowed has to be cloned.
impl Producer for Calls {
    #[inline(always)]
    fn mixed(&mut self, id: u64, px: f64, who: &str) {
        let who = who.to_owned();
        low_latency_log::info!("order {} filled at {} for {}", id, px, who);
    }

    #[inline(always)]
    fn ints(&mut self, a: u64, b: u64, c: u64) {
        low_latency_log::info!("tick {} {} {}", a, b, c);
    }

    #[inline(always)]
    fn without_arguments(&mut self) {
        low_latency_log::info!("heartbeat");
    }

    #[inline(always)]
    fn str64(&mut self, text: &str) {
        let text = text.to_owned();
        low_latency_log::info!("text {}", text);
    }

    /// Its levels are chosen when it is compiled.
    #[inline(always)]
    fn disabled(&mut self, _id: u64, _px: f64, _who: &str) {}
}

fn main() -> std::process::ExitCode {
    driver::main::<LowLatencyLog>()
}
