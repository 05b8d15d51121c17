-- +goose NO TRANSACTION
-- +goose Up
PRAGMA foreign_keys = OFF;
BEGIN;
CREATE TABLE authors_new (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE CHECK (name <> ''), visits INTEGER NOT NULL DEFAULT 0);
INSERT INTO authors_new SELECT id, name, visits FROM authors;
DROP TABLE authors;
ALTER TABLE authors_new RENAME TO authors;
PRAGMA foreign_key_check;
COMMIT;
PRAGMA foreign_keys = ON;
-- +goose Down
SELECT 1;
