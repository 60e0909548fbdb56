-- Conversations that a person is asked for, has, or has ended: what the lists of the console are made of. Written only
-- when that changes, so that a conversation with the pipeline costs nothing here. `seen_seq` is how far the agent has
-- seen it.
CREATE TABLE attended (
    conversation_id BLOB    NOT NULL PRIMARY KEY,
    status          TEXT    NOT NULL,
    agent           BLOB,
    since           INTEGER NOT NULL,
    seen_seq        INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX attended_status ON attended (status, since);
