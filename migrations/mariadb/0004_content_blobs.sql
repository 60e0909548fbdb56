-- The bytes of content files by their SHA-256. A set differs from the one before in one file mostly.
CREATE TABLE content_blobs (
    hash  BINARY(32) NOT NULL,
    bytes LONGBLOB   NOT NULL,
    PRIMARY KEY (hash)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_nopad_bin;
