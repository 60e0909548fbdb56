-- A number for each event, for the SQL view chat_message: others want to name a row by one integer. The rows had one
-- all along, which is now theirs for good; it costs no space and no time.
/* For a moment. */ CREATE TABLE numbered_events (
    number          INTEGER PRIMARY KEY,
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
    UNIQUE (conversation_id, seq)
) STRICT;

INSERT INTO numbered_events
SELECT rowid, conversation_id, seq, id, at, kind, author, body, client_id, responder, entry, revision, micros, meta
FROM events;

DROP TABLE events;

-- Views that somebody made over events are left alone.
PRAGMA legacy_alter_table = ON;
ALTER TABLE numbered_events RENAME TO events;
PRAGMA legacy_alter_table = OFF;

CREATE UNIQUE INDEX events_client_id ON events (conversation_id, client_id) WHERE client_id IS NOT NULL;
