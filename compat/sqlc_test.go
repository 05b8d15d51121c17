package compat

import (
	"context"
	"database/sql"
	_ "embed"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/ramet-io/ramet/compat/internal/sqlcshop"
)

//go:embed internal/sqlcshop/schema.sql
var shopSchema string

// printed is a moment with everything in it that can get lost.
var printed = time.Date(2024, 2, 29, 23, 59, 58, 123456789, time.UTC)

// cover is a blob with what text would not survive.
var cover = []byte{0, 0xff, 'a', 0}

type sqlcShop struct {
	db *sql.DB
	q  *sqlcshop.Queries
}

func newSqlcShop(_ *testing.T, db *sql.DB) shop { return &sqlcShop{db: db} }

func (s *sqlcShop) handle() *sql.DB { return s.db }

// migrate runs the whole schema as one text of several statements, as programs
// with sqlc do, and prepares every query.
func (s *sqlcShop) migrate(ctx context.Context) error {
	var n int
	err := s.db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master WHERE name = 'authors'").Scan(&n)
	if err == nil && n == 0 {
		_, err = s.db.ExecContext(ctx, shopSchema)
	}
	if err == nil && s.q == nil {
		s.q, err = sqlcshop.Prepare(ctx, s.db)
	}
	return err
}

func (s *sqlcShop) inTx(ctx context.Context, f func(*sql.Tx, *sqlcshop.Queries) error) error {
	tx, err := s.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := f(tx, s.q.WithTx(tx)); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}

func (s *sqlcShop) trade(ctx context.Context) (saw []string, err error) {
	see := func(v any) { saw = append(saw, fmt.Sprintf("%+v", v)) }
	err = s.inTx(ctx, func(_ *sql.Tx, q *sqlcshop.Queries) error {
		for i, title := range []string{"b1", "b2", "b3"} {
			author, err := q.VisitAuthor(ctx, "ann")
			if err != nil {
				return err
			}
			see(author)
			price := sql.NullFloat64{Float64: 1.5 * float64(i), Valid: i > 0}
			book, err := q.AddBook(ctx, sqlcshop.AddBookParams{AuthorID: author.ID, Title: title, Price: price,
				Cover: cover[:i+1], Printed: sql.NullTime{Time: printed, Valid: i != 1}})
			if err != nil {
				return err
			}
			see(book)
			tag, err := q.AddTag(ctx, "t"+title)
			if err != nil {
				return err
			}
			see(tag)
			if err := q.TagBook(ctx, sqlcshop.TagBookParams{BookID: book.ID, TagID: tag}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return saw, err
	}
	rows, err := s.q.Price(ctx, 2)
	if err != nil {
		return saw, err
	}
	see(rows)
	result, err := s.q.DeleteBook(ctx, "b3")
	if err != nil {
		return saw, err
	}
	affected, _ := result.RowsAffected()
	see(affected)
	shelf, err := s.q.Shelf(ctx)
	see(shelf)
	if err != nil {
		return saw, err
	}
	chosen, err := s.q.Chosen(ctx, []string{"b1", "b2", "b9"})
	see(chosen)
	return saw, err
}

func (s *sqlcShop) visit(ctx context.Context, n int) error {
	return s.inTx(ctx, func(tx *sql.Tx, q *sqlcshop.Queries) error {
		author, err := q.VisitAuthor(ctx, "visitor")
		if err != nil {
			return err
		}
		return sqlVisit(ctx, tx, n, func(title string) error {
			_, err := q.AddBook(ctx, sqlcshop.AddBookParams{AuthorID: author.ID, Title: title})
			return err
		})
	})
}

// execer is a transaction that takes SQL.
type execer interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
}

// sqlVisit is the part of a visit after the upsert, with savepoints as SQL.
func sqlVisit(ctx context.Context, tx execer, n int, add func(title string) error) error {
	if err := add(visitTitle(n, "")); err != nil {
		return err
	}
	for _, step := range []struct{ suffix, end string }{{"-kept", "RELEASE nested"}, {"-undone", "ROLLBACK TO nested"}} {
		if _, err := tx.ExecContext(ctx, "SAVEPOINT nested"); err != nil {
			return err
		}
		if err := add(visitTitle(n, step.suffix)); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, step.end); err != nil {
			return err
		}
	}
	return nil
}
