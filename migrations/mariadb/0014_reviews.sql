-- What customers gave their chats with agents: the last rating of each chat, without its words. `seq` is the event that
-- has them.
CREATE TABLE reviews (
    conversation_id BINARY(16) NOT NULL,
    ended_at        BIGINT     NOT NULL,
    seq             BIGINT     NOT NULL,
    agent           BINARY(16) NOT NULL,
    stars           BIGINT     NOT NULL,
    PRIMARY KEY (conversation_id, ended_at),
    KEY reviews_ended_at (ended_at)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_nopad_bin;
