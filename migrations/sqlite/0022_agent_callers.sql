-- From where somebody tried to log in as an agent: by hash, a browser that the agent has logged in with before (`known`),
-- or an address. After `failures` wrong passwords in a row nothing from there is tried before `locked_until`; the row
-- counts until `forget_at`.
CREATE TABLE agent_callers (
    caller       BLOB    NOT NULL,
    agent        BLOB    NOT NULL,
    known        INTEGER NOT NULL,
    failures     INTEGER NOT NULL,
    locked_until INTEGER NOT NULL,
    forget_at    INTEGER NOT NULL,
    PRIMARY KEY (caller, agent)
) STRICT;
