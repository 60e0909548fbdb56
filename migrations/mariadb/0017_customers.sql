-- The host site's id of a signed-in visitor, of whom everything else here has only the hash. For the SQL view
-- chat_session; it goes when nothing is left of what the customer said.
CREATE TABLE customers (
    visitor BINARY(16)   NOT NULL,
    account VARCHAR(255) NOT NULL,
    PRIMARY KEY (visitor),
    KEY customers_account (account)
) ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_nopad_bin;
