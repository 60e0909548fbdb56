-- Conversations that a person is asked for, has, or has ended: what the lists of the console are made of. Written only
-- when that changes, so that a conversation with the pipeline costs nothing here. `seen_seq` is how far the agent has
-- seen it.
CREATE TABLE attended (
    conversation_id BINARY(16)  NOT NULL,
    status          VARCHAR(16) NOT NULL,
    agent           BINARY(16),
    since           BIGINT      NOT NULL,
    seen_seq        BIGINT      NOT NULL DEFAULT 0,
    PRIMARY KEY (conversation_id),
    KEY attended_status (status, since)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_nopad_bin;
