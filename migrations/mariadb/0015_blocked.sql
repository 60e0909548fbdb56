-- Visitors whom an agent does not let write: a customer who is signed in by account, another one by the browser's token.
CREATE TABLE blocked (
    visitor BINARY(16) NOT NULL,
    at      BIGINT     NOT NULL,
    PRIMARY KEY (visitor)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_nopad_bin;
