-- What must be known of a conversation to decide its next append; written with every append to its log.
-- `open_visitor` is the visitor while the conversation is not closed: one open conversation a visitor.
CREATE TABLE conversations (
    id            BLOB    NOT NULL PRIMARY KEY,
    visitor       BLOB    NOT NULL,
    open_visitor  BLOB    UNIQUE,
    status        TEXT    NOT NULL,
    created_at    INTEGER NOT NULL,
    last_seq      INTEGER NOT NULL,
    last_at       INTEGER NOT NULL,
    asked_seq     INTEGER NOT NULL,
    answered_seq  INTEGER NOT NULL,
    language      TEXT,
    wake_at       INTEGER
) STRICT;

CREATE INDEX conversations_wake_at ON conversations (wake_at) WHERE wake_at IS NOT NULL;
