-- Who is logged in at the console. `token` is the SHA-256 of what the cookie holds; without its row a cookie is nothing.
CREATE TABLE agent_sessions (
    token      BLOB    NOT NULL PRIMARY KEY,
    agent      BLOB    NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
