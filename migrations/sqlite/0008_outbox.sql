-- Errands that have no outcome yet: the event that says what is to be done, and when it is tried next.
CREATE TABLE outbox (
    errand          BLOB    NOT NULL PRIMARY KEY,
    conversation_id BLOB    NOT NULL,
    seq             INTEGER NOT NULL,
    made_at         INTEGER NOT NULL,
    due_at          INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX outbox_due_at ON outbox (due_at);
CREATE INDEX outbox_conversation ON outbox (conversation_id);
