-- What is to be done that belongs to no one conversation: deleting what was kept long enough, or a visitor. One of all
-- nodes does it, by putting off what is due.
CREATE TABLE chores (
    name   VARCHAR(64) NOT NULL,
    due_at BIGINT      NOT NULL,
    PRIMARY KEY (name)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_nopad_bin;
