-- The bytes of content files by their SHA-256. A set differs from the one before in one file mostly.
CREATE TABLE content_blobs (
    hash  BLOB NOT NULL PRIMARY KEY,
    bytes BLOB NOT NULL
) STRICT;
