-- The people who answer for the company. `password` is an Argon2 hash in PHC form; after `failures` wrong ones in a row
-- nobody gets in before `locked_until`. `seen_at` is when a console of theirs was open last.
CREATE TABLE agents (
    id           BINARY(16)   NOT NULL,
    login        VARCHAR(128) NOT NULL,
    name         VARCHAR(128) NOT NULL,
    role         VARCHAR(16)  NOT NULL,
    password     VARCHAR(255) NOT NULL,
    disabled     BIGINT       NOT NULL DEFAULT 0,
    away         BIGINT       NOT NULL DEFAULT 0,
    max_chats    BIGINT       NOT NULL DEFAULT 5,
    failures     BIGINT       NOT NULL DEFAULT 0,
    locked_until BIGINT       NOT NULL DEFAULT 0,
    seen_at      BIGINT       NOT NULL DEFAULT 0,
    created_at   BIGINT       NOT NULL,
    PRIMARY KEY (id),
    UNIQUE KEY agents_login (login)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_nopad_bin;
