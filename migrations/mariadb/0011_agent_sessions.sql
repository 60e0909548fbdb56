-- Who is logged in at the console. `token` is the SHA-256 of what the cookie holds; without its row a cookie is nothing.
CREATE TABLE agent_sessions (
    token      BINARY(32) NOT NULL,
    agent      BINARY(16) NOT NULL,
    expires_at BIGINT     NOT NULL,
    PRIMARY KEY (token)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_nopad_bin;
