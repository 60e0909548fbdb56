//! Which account of the host site a visitor has: the hash says it to nobody.

use super::Store;
use super::append::Append;
use super::error::StoreError;
use super::pool::{Link, on};
use super::writer::{Order, Work};
use crate::conversation::VisitorId;

impl Store {
    /// Notes whose conversations this visitor's are. Nobody waits for it; false if it must be tried again.
    pub fn note_customer(&self, visitor: VisitorId, account: &str) -> bool {
        let (reply, _) = tokio::sync::oneshot::channel();
        self.0.queue.try_send(Order::Change { work: note(vec![(visitor, account.to_owned())]), reply }).is_ok()
    }

    /// The same for many, durable when it returns.
    pub async fn keep_customers(&self, customers: Vec<(VisitorId, String)>) -> Result<(), StoreError> {
        if customers.is_empty() {
            return Ok(());
        }
        self.order(|reply| Order::Change { work: note(customers), reply }).await.map(drop)
    }
}

fn note(customers: Vec<(VisitorId, String)>) -> Work {
    Box::new(move |link| {
        Box::pin(async move {
            let insert = match link {
                Link::Lite(_) => "INSERT OR IGNORE INTO customers (visitor, account) VALUES (?, ?)",
                Link::Maria(_) => "INSERT IGNORE INTO customers (visitor, account) VALUES (?, ?)",
            };
            let mut new = false;
            for (visitor, account) in &customers {
                on!(Link, link, connection => {
                    let query = sqlx::query(insert).bind(&visitor.0[..]).bind(account);
                    new |= query.execute(&mut **connection).await?.rows_affected() > 0;
                });
            }
            Ok(new)
        })
    })
}

/// Forgets the account of a visitor of whom nothing is left but marks, within the transaction that deletes the rest.
pub(super) async fn forget(link: &mut Link, erasing: &Append) -> Result<(), sqlx::Error> {
    let head = &erasing.decision.next;
    let forget = "DELETE FROM customers WHERE visitor = ? AND NOT EXISTS (SELECT 1 FROM conversations \
                  WHERE visitor = ? AND id <> ? AND (status <> 'closed' OR kept IS NOT NULL))";
    on!(Link, link, connection => {
        let query = sqlx::query(forget).bind(&head.visitor.0[..]).bind(&head.visitor.0[..]).bind(head.id.0);
        query.execute(&mut **connection).await.map(drop)
    })
}
