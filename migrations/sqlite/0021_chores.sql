-- What is to be done that belongs to no one conversation: deleting what was kept long enough, or a visitor. One of all
-- nodes does it, by putting off what is due.
CREATE TABLE chores (
    name   TEXT    NOT NULL PRIMARY KEY,
    due_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
