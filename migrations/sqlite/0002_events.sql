-- The log. The primary key makes an append fail when somebody else was first; the key over the client id stores a
-- message, and the answer to a question, once.
CREATE TABLE events (
    conversation_id BLOB    NOT NULL,
    seq             INTEGER NOT NULL,
    id              BLOB    NOT NULL,
    at              INTEGER NOT NULL,
    kind            TEXT    NOT NULL,
    author          TEXT    NOT NULL,
    body            TEXT    NOT NULL,
    client_id       TEXT,
    responder       TEXT,
    entry           TEXT,
    revision        TEXT,
    micros          INTEGER,
    meta            TEXT,
    PRIMARY KEY (conversation_id, seq)
) STRICT;

CREATE UNIQUE INDEX events_client_id ON events (conversation_id, client_id) WHERE client_id IS NOT NULL;
