//! A web service on axum: a request id in each line of a request, and an access log.
//!
//! `cargo run -p kymo-frameworks --bin web -- web.kymo`, then `curl -i 127.0.0.1:PORT/orders/7`, then Ctrl-C.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use axum::extract::{Path, Request};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use axum::{Router, routing};
use kymo::{Logger, info, warn};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

tokio::task_local! {
    /// The id of the request that the task serves.
    static REQUEST: String;
}

fn request() -> String {
    REQUEST.try_with(String::clone).unwrap_or_default()
}

/// A layer: gives each request an id, or takes the caller's, and logs what became of it.
async fn access_log(call: Request, next: Next) -> Response {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let given = call.headers().get("x-request-id").and_then(|id| id.to_str().ok());
    let id = given.map_or_else(|| NEXT.fetch_add(1, Ordering::Relaxed).to_string(), str::to_owned);
    let (method, path, began) =
        (call.method().clone(), call.uri().path().to_owned(), Instant::now());
    let mut response = REQUEST.scope(id.clone(), next.run(call)).await;
    let (method, status, took) = (method.as_str(), response.status().as_u16(), began.elapsed());
    info!(target: "access", "{method} {path} {status} {took:?} request={id}");
    // Whoever complains can say which request it was.
    if let Ok(id) = HeaderValue::from_str(&id) {
        response.headers_mut().insert("x-request-id", id);
    }
    response
}

async fn order(Path(id): Path<u64>) -> Result<String, StatusCode> {
    let request = request();
    if id == 0 {
        warn!(target: "orders", "no order {id} request={request}");
        return Err(StatusCode::NOT_FOUND);
    }
    info!(target: "orders", "order {id} shown request={request}");
    Ok(format!("order {id}\n"))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "web.kymo".to_owned());
    let _logger = Logger::builder(path).panic_hook(true).start()?;
    let app = Router::new().route("/orders/{id}", routing::get(order)).layer(from_fn(access_log));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    // Before anybody is told of the address: from here on Ctrl-C ends the service, and not the process.
    let mut interrupt = signal(SignalKind::interrupt())?;
    println!("{}", listener.local_addr()?);
    let end = async move { _ = interrupt.recv().await };
    Ok(axum::serve(listener, app).with_graceful_shutdown(end).await?)
}
