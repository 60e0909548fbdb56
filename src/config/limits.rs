//! `limits:`: the bounds.

use super::values::number;

/// The bounds that keep one part from taking all of a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Seconds until a pending question is finished by whoever finds it, or apologised for.
    pub answer_seconds: u32,
    /// Seconds that one responder may take; below `answer_seconds`.
    pub responder_seconds: u32,
    /// Seconds that an answer is written for which nobody is there to read; then the next responder is asked.
    pub unread_seconds: u32,
    /// Open sockets on this node.
    pub sockets: u32,
    /// Frames that a slow reader may be behind before it is told to come back.
    pub socket_queue: u32,
    /// Between the order to stop and the stop itself, for so long `/ready` says that the node is draining, and all
    /// else goes on.
    pub drain_seconds: u32,
    /// Seconds that a graceful stop waits for work under way.
    pub stop_seconds: u32,
    /// Seconds over which the clients of a node that stops spread their return.
    pub return_seconds: u32,
    /// Sockets that are opened in a second on this node; further clients wait their turn.
    pub handshakes_per_second: u32,
    /// Messages of a visitor in a minute.
    pub messages_per_minute: u32,
    /// Other requests of a visitor in a minute: hellos, pages of history, ratings, deletions, unread counts.
    pub requests_per_minute: u32,
    /// The same of everybody at an address.
    pub address_requests_per_minute: u32,
    /// New connections from an address in a minute.
    pub connections_per_minute: u32,
    /// Connections from an address that are open at once on one node.
    pub connections_open: u32,
    /// New conversations from an address in an hour.
    pub conversations_per_hour: u32,
    /// Files of customers at an address in an hour.
    pub attachments_per_hour: u32,
    /// Look-ups of plugins that are under way at once.
    pub lookups: u32,
    /// Whether those of visitors and addresses are left out: for measuring, and only on this machine.
    pub off: bool,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            answer_seconds: 10,
            responder_seconds: 8,
            unread_seconds: 20,
            sockets: 20_000,
            socket_queue: 64,
            drain_seconds: 0,
            stop_seconds: 10,
            return_seconds: 10,
            handshakes_per_second: 1_000,
            messages_per_minute: 30,
            connections_per_minute: 300,
            connections_open: 300,
            conversations_per_hour: 120,
            attachments_per_hour: 120,
            requests_per_minute: 120,
            // All customers behind a proxy that is not in `proxies` may come back at once.
            address_requests_per_minute: 12_000,
            lookups: 200,
            off: false,
        }
    }
}

impl Limits {
    /// Sets one, by its name below `limits`. An error says what would be right.
    pub(super) fn set(&mut self, name: &str, value: &str) -> Result<(), String> {
        let (limit, range) = match name {
            "answer_seconds" => (&mut self.answer_seconds, 1..=3_600),
            "responder_seconds" => (&mut self.responder_seconds, 1..=3_600),
            "unread_seconds" => (&mut self.unread_seconds, 1..=3_600),
            "sockets" => (&mut self.sockets, 1..=1_000_000),
            "socket_queue" => (&mut self.socket_queue, 4..=10_000),
            "drain_seconds" => (&mut self.drain_seconds, 0..=600),
            "stop_seconds" => (&mut self.stop_seconds, 0..=600),
            "return_seconds" => (&mut self.return_seconds, 0..=3_600),
            "handshakes_per_second" => (&mut self.handshakes_per_second, 1..=1_000_000),
            "messages_per_minute" => (&mut self.messages_per_minute, 1..=1_000_000),
            "requests_per_minute" => (&mut self.requests_per_minute, 1..=1_000_000),
            "address_requests_per_minute" => (&mut self.address_requests_per_minute, 1..=1_000_000),
            "connections_per_minute" => (&mut self.connections_per_minute, 1..=1_000_000),
            "connections_open" => (&mut self.connections_open, 1..=1_000_000),
            "conversations_per_hour" => (&mut self.conversations_per_hour, 1..=1_000_000),
            "attachments_per_hour" => (&mut self.attachments_per_hour, 1..=1_000_000),
            "lookups" => (&mut self.lookups, 1..=100_000),
            _ => return Err("there is no such limit".to_owned()),
        };
        *limit = number(value, range)?;
        Ok(())
    }
}
