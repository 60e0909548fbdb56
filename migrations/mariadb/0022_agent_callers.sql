-- From where somebody tried to log in as an agent: by hash, a browser that the agent has logged in with before (`known`),
-- or an address. After `failures` wrong passwords in a row nothing from there is tried before `locked_until`; the row
-- counts until `forget_at`.
CREATE TABLE agent_callers (
    caller       BINARY(32) NOT NULL,
    agent        BINARY(16) NOT NULL,
    known        BIGINT     NOT NULL,
    failures     BIGINT     NOT NULL,
    locked_until BIGINT     NOT NULL,
    forget_at    BIGINT     NOT NULL,
    PRIMARY KEY (caller, agent)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_nopad_bin;
