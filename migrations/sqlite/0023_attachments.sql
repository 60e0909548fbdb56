-- What is attached to messages; the files are elsewhere. `conversation_id` is set once a message names it, `drop_at` as
-- long as none does, or once the conversation is deleted: then the file goes, and after it the row. `owner` is who sent it.
CREATE TABLE attachments (
    id              BLOB    NOT NULL PRIMARY KEY,
    owner           BLOB    NOT NULL,
    conversation_id BLOB,
    name            TEXT    NOT NULL,
    media           TEXT    NOT NULL,
    bytes           INTEGER NOT NULL,
    width           INTEGER,
    height          INTEGER,
    drop_at         INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX attachments_owner ON attachments (owner);
CREATE INDEX attachments_conversation_id ON attachments (conversation_id);
CREATE INDEX attachments_drop_at ON attachments (drop_at);
