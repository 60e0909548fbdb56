-- A set of content files that went live. `number` grows whenever one does, so the latest is known without a clock.
CREATE TABLE content (
    revision VARCHAR(64) NOT NULL,
    number   BIGINT      NOT NULL,
    at       BIGINT      NOT NULL,
    PRIMARY KEY (revision),
    UNIQUE KEY content_number (number)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_nopad_bin;
