-- +goose Up
ALTER TABLE sessions ADD COLUMN pinned BOOLEAN NOT NULL DEFAULT FALSE;
UPDATE sessions SET pinned = TRUE WHERE id = 1;

-- +goose Down
ALTER TABLE sessions DROP COLUMN pinned;
