-- Visitors whom an agent does not let write: a customer who is signed in by account, another one by the browser's token.
CREATE TABLE blocked (
    visitor BLOB    NOT NULL PRIMARY KEY,
    at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
