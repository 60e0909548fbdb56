-- The host site's id of a signed-in visitor, of whom everything else here has only the hash. For the SQL view
-- chat_session; it goes when nothing is left of what the customer said.
CREATE TABLE customers (
    visitor BLOB NOT NULL PRIMARY KEY,
    account TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX customers_account ON customers (account);
