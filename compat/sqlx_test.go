package compat

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"testing"
	"time"

	"github.com/jmoiron/sqlx"
	"github.com/pressly/goose/v3"
)

//go:embed migrations/*.sql
var migrations embed.FS

type sqlxBook struct {
	ID      int64
	Author  string
	Title   string
	Price   *float64
	Cover   []byte
	Printed *time.Time
}

// sqlxShop works with sqlx on a schema that goose brings up.
type sqlxShop struct{ x *sqlx.DB }

func newSqlxShop(_ *testing.T, db *sql.DB) shop { return &sqlxShop{sqlx.NewDb(db, "sqlite3")} }

func (s *sqlxShop) handle() *sql.DB { return s.x.DB }

// migrate goes up, down and up again, which includes a rebuilt table and a
// migration outside of a transaction.
func (s *sqlxShop) migrate(ctx context.Context) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, s.x.DB, files)
	if err != nil {
		return err
	}
	if _, err = p.Up(ctx); err == nil {
		_, err = p.DownTo(ctx, 1)
	}
	if err == nil {
		_, err = p.Up(ctx)
	}
	return err
}

func (s *sqlxShop) trade(ctx context.Context) (saw []string, err error) {
	see := func(v any) { saw = append(saw, fmt.Sprintf("%+v", v)) }
	tx, err := s.x.BeginTxx(ctx, nil)
	if err != nil {
		return saw, err
	}
	defer tx.Rollback()
	r, err := tx.ExecContext(ctx, "INSERT INTO authors (name) VALUES (?)", "ann")
	if err != nil {
		return saw, err
	}
	id, _ := r.LastInsertId()
	see(id)
	many := []map[string]any{
		{"a": id, "t": "b1", "p": nil, "c": cover, "at": printed},
		{"a": id, "t": "b2", "p": 1.5, "c": nil, "at": nil},
		{"a": id, "t": "b3", "p": 2.5, "c": []byte{}, "at": nil},
	}
	if _, err := tx.NamedExecContext(ctx, "INSERT INTO books (author_id, title, price, cover, printed) VALUES (:a, :t, :p, :c, :at)", many); err != nil {
		return saw, err
	}
	if err := tx.Commit(); err != nil {
		return saw, err
	}
	byTitle, err := s.x.PreparexContext(ctx, "SELECT b.id, a.name AS author, title, price, cover, printed FROM books b JOIN authors a ON a.id = author_id WHERE title = ?")
	if err != nil {
		return saw, err
	}
	defer byTitle.Close()
	for range 2 {
		for _, title := range []string{"b1", "b2", "b3"} {
			var b sqlxBook
			if err := byTitle.GetContext(ctx, &b, title); err != nil {
				return saw, err
			}
			see([]any{b.ID, b.Author, b.Title, b.Price != nil, b.Cover, b.Cover == nil, b.Printed})
		}
	}
	query, args, err := sqlx.In("SELECT title FROM books WHERE title IN (?) ORDER BY title DESC", []string{"b1", "b3", "b9"})
	if err != nil {
		return saw, err
	}
	var titles []string
	err = s.x.SelectContext(ctx, &titles, s.x.Rebind(query), args...)
	see(titles)
	if err != nil {
		return saw, err
	}
	rows, err := s.x.NamedQueryContext(ctx, "UPDATE books SET price = price * :f WHERE price IS NOT NULL RETURNING title, price", map[string]any{"f": 2})
	if err != nil {
		return saw, err
	}
	defer rows.Close()
	for rows.Next() {
		row := map[string]any{}
		if err := rows.MapScan(row); err != nil {
			return saw, err
		}
		see(row)
	}
	return saw, rows.Err()
}

func (s *sqlxShop) visit(ctx context.Context, n int) error {
	tx, err := s.x.BeginTxx(ctx, nil)
	if err != nil {
		return err
	}
	var author int64
	err = tx.GetContext(ctx, &author, "INSERT INTO authors (name, visits) VALUES (?, 1) ON CONFLICT (name) DO UPDATE SET visits = visits + 1 RETURNING id", "visitor")
	if err == nil {
		err = sqlVisit(ctx, tx, n, func(title string) error {
			_, err := tx.NamedExecContext(ctx, "INSERT INTO books (author_id, title) VALUES (:author, :title)", map[string]any{"author": author, "title": title})
			return err
		})
	}
	if err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}
