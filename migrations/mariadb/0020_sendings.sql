-- The outbox also has what is sent by mail and to webhooks: what it is, and up to which event it goes once it was tried.
ALTER TABLE outbox
    ADD COLUMN kind VARCHAR(80) NOT NULL DEFAULT 'action',
    ADD COLUMN upto BIGINT NULL;
