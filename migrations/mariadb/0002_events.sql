-- The log. The primary key makes an append fail when somebody else was first; the key over the client id stores a
-- message, and the answer to a question, once. Bodies are searched by people: case and accents do not matter there.
CREATE TABLE events (
    conversation_id BINARY(16)   NOT NULL,
    seq             BIGINT       NOT NULL,
    id              BINARY(16)   NOT NULL,
    at              BIGINT       NOT NULL,
    kind            VARCHAR(16)  NOT NULL,
    author          VARCHAR(16)  NOT NULL,
    body            MEDIUMTEXT   NOT NULL COLLATE utf8mb4_uca1400_ai_ci,
    client_id       VARCHAR(64),
    responder       VARCHAR(255),
    entry           VARCHAR(255),
    revision        VARCHAR(64),
    micros          BIGINT,
    meta            MEDIUMTEXT,
    PRIMARY KEY (conversation_id, seq),
    UNIQUE KEY events_client_id (conversation_id, client_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_nopad_bin;
