-- What must be known of a conversation to decide its next append; written with every append to its log.
-- `open_visitor` is the visitor while the conversation is not closed: one open conversation a visitor.
CREATE TABLE conversations (
    id            BINARY(16)  NOT NULL,
    visitor       BINARY(16)  NOT NULL,
    open_visitor  BINARY(16),
    status        VARCHAR(16) NOT NULL,
    created_at    BIGINT      NOT NULL,
    last_seq      BIGINT      NOT NULL,
    last_at       BIGINT      NOT NULL,
    asked_seq     BIGINT      NOT NULL,
    answered_seq  BIGINT      NOT NULL,
    language      VARCHAR(64),
    wake_at       BIGINT,
    PRIMARY KEY (id),
    UNIQUE KEY conversations_open_visitor (open_visitor),
    KEY conversations_wake_at (wake_at)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_nopad_bin;
