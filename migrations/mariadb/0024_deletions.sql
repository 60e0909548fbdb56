-- How many times something was deleted from a log: one row. A writer that does not read a head before it goes on with a
-- log looks here whether that log may have been deleted meanwhile.
CREATE TABLE deletions (
    one    TINYINT NOT NULL,
    number BIGINT  NOT NULL,
    PRIMARY KEY (one)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_nopad_bin;
