-- Which file of a set has which bytes.
CREATE TABLE content_files (
    revision VARCHAR(64)  NOT NULL,
    path     VARCHAR(512) NOT NULL,
    hash     BINARY(32)   NOT NULL,
    PRIMARY KEY (revision, path)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_nopad_bin;
