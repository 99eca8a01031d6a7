//! The subscriber keeps its own spans, and takes no layers: the layer is for the registry of tracing-subscriber.
use tracing_subscriber::layer::SubscriberExt;

fn main() {
    let _ = kymo::bridge::tracing::Subscriber::new().with(kymo::bridge::tracing::layer());
}
