-- A set of content files that went live. `number` grows whenever one does, so the latest is known without a clock.
CREATE TABLE content (
    revision TEXT    NOT NULL PRIMARY KEY,
    number   INTEGER NOT NULL UNIQUE,
    at       INTEGER NOT NULL
) STRICT;
