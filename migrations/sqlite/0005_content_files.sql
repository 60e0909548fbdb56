-- Which file of a set has which bytes.
CREATE TABLE content_files (
    revision TEXT NOT NULL,
    path     TEXT NOT NULL,
    hash     BLOB NOT NULL,
    PRIMARY KEY (revision, path)
) STRICT, WITHOUT ROWID;
