-- The people who answer for the company. `password` is an Argon2 hash in PHC form; after `failures` wrong ones in a row
-- nobody gets in before `locked_until`. `seen_at` is when a console of theirs was open last.
CREATE TABLE agents (
    id           BLOB    NOT NULL PRIMARY KEY,
    login        TEXT    NOT NULL UNIQUE,
    name         TEXT    NOT NULL,
    role         TEXT    NOT NULL,
    password     TEXT    NOT NULL,
    disabled     INTEGER NOT NULL DEFAULT 0,
    away         INTEGER NOT NULL DEFAULT 0,
    max_chats    INTEGER NOT NULL DEFAULT 5,
    failures     INTEGER NOT NULL DEFAULT 0,
    locked_until INTEGER NOT NULL DEFAULT 0,
    seen_at      INTEGER NOT NULL DEFAULT 0,
    created_at   INTEGER NOT NULL
) STRICT;
