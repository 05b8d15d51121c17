-- name: VisitAuthor :one
INSERT INTO authors (name, visits) VALUES (?, 1)
ON CONFLICT (name) DO UPDATE SET visits = visits + 1
RETURNING *;

-- name: AddBook :one
INSERT INTO books (author_id, title, price, cover, printed) VALUES (?, ?, ?, ?, ?) RETURNING *;

-- name: AddTag :execlastid
INSERT INTO tags (name) VALUES (?);

-- name: TagBook :exec
INSERT INTO book_tags (book_id, tag_id) VALUES (?, ?);

-- name: Price :execrows
UPDATE books SET price = price * CAST(sqlc.arg(factor) AS REAL) WHERE price IS NOT NULL;

-- name: DeleteBook :execresult
DELETE FROM books WHERE title = ?;

-- name: Shelf :many
SELECT sqlc.embed(books), sqlc.embed(authors), CAST(group_concat(tags.name) AS TEXT) AS tag_names
FROM books JOIN authors ON authors.id = books.author_id
LEFT JOIN book_tags ON book_tags.book_id = books.id
LEFT JOIN tags ON tags.id = book_tags.tag_id
GROUP BY books.id ORDER BY books.title;

-- name: Chosen :many
SELECT title FROM books WHERE title IN (sqlc.slice('titles')) ORDER BY title;
