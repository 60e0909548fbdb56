//! Waiting for what is nearly always there already.

use std::future::Future;
use std::pin::{Pin, pin};
use std::time::Duration;

use futures_util::poll;
use tokio::time::error::Elapsed;
use tokio::time::timeout;

/// What a future gives, if it does so within this time. For one that is ready at once no clock is read and no timer set.
pub async fn within<F: Future>(limit: Duration, future: F) -> Result<F::Output, Elapsed> {
    let mut future = pin!(future);
    match poll!(&mut future) {
        std::task::Poll::Ready(output) => Ok(output),
        std::task::Poll::Pending => timeout(limit, future).await,
    }
}

/// The future in a box. The box is there first, so that the future is made within it: `Box::pin` makes it on the stack
/// and copies all of its room.
pub fn boxed<F>(future: impl FnOnce() -> F) -> Pin<Box<F>> {
    Box::into_pin(Box::write(Box::new_uninit(), future()))
}
