-- Errands that have no outcome yet: the event that says what is to be done, and when it is tried next.
CREATE TABLE outbox (
    errand          BINARY(16) NOT NULL,
    conversation_id BINARY(16) NOT NULL,
    seq             BIGINT     NOT NULL,
    made_at         BIGINT     NOT NULL,
    due_at          BIGINT     NOT NULL,
    PRIMARY KEY (errand),
    KEY outbox_due_at (due_at),
    KEY outbox_conversation (conversation_id)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_nopad_bin;
