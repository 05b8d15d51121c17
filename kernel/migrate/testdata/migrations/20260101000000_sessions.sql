-- +goose Up
CREATE TABLE sessions (
    id    INTEGER PRIMARY KEY,
    title TEXT NOT NULL
);
INSERT INTO sessions (title) VALUES ('first; of all');

-- +goose Down
DROP TABLE sessions;
