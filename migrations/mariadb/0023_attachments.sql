-- What is attached to messages; the files are elsewhere. `conversation_id` is set once a message names it, `drop_at` as
-- long as none does, or once the conversation is deleted: then the file goes, and after it the row. `owner` is who sent it.
CREATE TABLE attachments (
    id              BINARY(16)   NOT NULL,
    owner           BINARY(16)   NOT NULL,
    conversation_id BINARY(16)   NULL,
    name            VARCHAR(160) NOT NULL,
    media           VARCHAR(32)  NOT NULL,
    bytes           BIGINT       NOT NULL,
    width           BIGINT       NULL,
    height          BIGINT       NULL,
    drop_at         BIGINT       NULL,
    PRIMARY KEY (id),
    KEY attachments_owner (owner),
    KEY attachments_conversation_id (conversation_id),
    KEY attachments_drop_at (drop_at)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_nopad_bin;
