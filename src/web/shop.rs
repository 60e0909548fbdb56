//! The demo's shop over HTTP: what the actions of the demo are told to. It listens on this machine only, and does what
//! somebody with its token says, once for each `Idempotency-Key`.

use std::sync::Arc;

use salvo::affix_state;
use salvo::conn::tcp::TcpAcceptor;
use salvo::http::header::AUTHORIZATION;
use salvo::prelude::*;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::config::Secret;
use crate::store::DemoShop;

struct Counter {
    shop: DemoShop,
    token: Secret,
    today: Box<dyn Fn() -> String + Send + Sync>,
}

#[derive(Serialize, Deserialize)]
struct Redelivery {
    day: String,
}

/// Answers for the shop until `stop`. `today` gives the day, such as 2026-05-03.
pub async fn shop(
    listener: TcpListener,
    shop: DemoShop,
    token: Secret,
    today: impl Fn() -> String + Send + Sync + 'static,
    stop: CancellationToken,
) {
    let served = async {
        let counter = Arc::new(Counter { shop, token, today: Box::new(today) });
        let router =
            Router::with_path("parcels/{number}/redelivery").hoop(affix_state::inject(counter)).post(redeliver);
        Server::new(TcpAcceptor::try_from(listener)?).try_serve(Service::new(router)).await
    };
    if let Some(Err(error)) = stop.run_until_cancelled(served).await {
        tracing::error!(%error, "the demo's shop cannot be reached any more");
    }
}

#[handler]
async fn redeliver(req: &mut Request, depot: &mut Depot, res: &mut Response) -> Result<(), StatusError> {
    let counter = depot.get_typed::<Arc<Counter>>().cloned().map_err(|_| StatusError::internal_server_error())?;
    let text = |name: &str| req.headers().get(name).and_then(|value| value.to_str().ok());
    let given = text(AUTHORIZATION.as_str()).and_then(|value| value.strip_prefix("Bearer "));
    if !given.is_some_and(|given| counter.token.is(given)) {
        return Err(StatusError::unauthorized());
    }
    let order = text("idempotency-key").filter(|key| (1..=64).contains(&key.len())).map(str::to_owned);
    let order = order.ok_or_else(StatusError::bad_request)?;
    let number = req.param::<String>("number").unwrap_or_default();
    let wanted: Redelivery = req.parse_json().await.map_err(|_| StatusError::bad_request())?;
    let today = (counter.today)();
    // Days as texts compare as the days do.
    if wanted.day.len() != today.len() || wanted.day <= today {
        return Err(StatusError::unprocessable_entity());
    }
    match counter.shop.redeliver(&order, &number, &wanted.day, &today).await {
        Ok(true) => {
            res.render(Json(wanted));
            Ok(())
        }
        Ok(false) => Err(StatusError::unprocessable_entity()),
        Err(error) => {
            tracing::warn!(%error, "the demo's shop could not do what it was told");
            Err(StatusError::internal_server_error())
        }
    }
}
