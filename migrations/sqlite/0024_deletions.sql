-- How many times something was deleted from a log: one row. A writer that does not read a head before it goes on with a
-- log looks here whether that log may have been deleted meanwhile.
CREATE TABLE deletions (
    one    INTEGER NOT NULL PRIMARY KEY,
    number INTEGER NOT NULL
) STRICT;
