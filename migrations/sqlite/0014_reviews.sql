-- What customers gave their chats with agents: the last rating of each chat, without its words. `seq` is the event that
-- has them.
CREATE TABLE reviews (
    conversation_id BLOB    NOT NULL,
    ended_at        INTEGER NOT NULL,
    seq             INTEGER NOT NULL,
    agent           BLOB    NOT NULL,
    stars           INTEGER NOT NULL,
    PRIMARY KEY (conversation_id, ended_at)
) STRICT, WITHOUT ROWID;

CREATE INDEX reviews_ended_at ON reviews (ended_at);
