package compat

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"gorm.io/driver/sqlite"
	"gorm.io/gorm"
	"gorm.io/gorm/clause"
	"gorm.io/gorm/logger"
)

type (
	gormAuthor struct {
		ID     int64
		Name   string `gorm:"uniqueIndex;not null"`
		Visits int64
		Books  []gormBook `gorm:"foreignKey:AuthorID"`
	}
	gormBook struct {
		ID       int64
		AuthorID int64
		Author   gormAuthor
		Title    string `gorm:"uniqueIndex;not null"`
		Price    *float64
		Cover    []byte
		Printed  *time.Time
		Tags     []gormTag `gorm:"many2many:book_tags;joinForeignKey:BookID;joinReferences:TagID"`
	}
	gormTag struct {
		ID   int64
		Name string `gorm:"uniqueIndex;not null"`
	}
	// gormOldBook is an earlier form of the table, so that AutoMigrate has to alter it
	// and the migrator to rebuild it, which SQLite needs for most changes.
	gormOldBook struct {
		ID       int64
		AuthorID int64
		Title    string
		Obsolete string
	}
)

// TableName implements [schema.Tabler].
func (gormAuthor) TableName() string { return "authors" }

// TableName implements [schema.Tabler].
func (gormBook) TableName() string { return "books" }

// TableName implements [schema.Tabler].
func (gormTag) TableName() string { return "tags" }

// TableName implements [schema.Tabler].
func (gormOldBook) TableName() string { return "books" }

type gormShop struct {
	db *sql.DB
	g  *gorm.DB
}

func newGormShop(t *testing.T, db *sql.DB) shop {
	g, err := gorm.Open(sqlite.New(sqlite.Config{Conn: db}), &gorm.Config{
		PrepareStmt: true, TranslateError: true, Logger: logger.Discard,
		NowFunc: func() time.Time { return printed },
	})
	if err != nil {
		t.Fatal(err)
	}
	return &gormShop{db, g}
}

func (s *gormShop) handle() *sql.DB { return s.db }

func (s *gormShop) migrate(ctx context.Context) error {
	g := s.g.WithContext(ctx)
	m := g.Migrator()
	if !m.HasTable("books") {
		if err := g.AutoMigrate(&gormAuthor{}, &gormOldBook{}); err != nil {
			return err
		}
	}
	if m.HasColumn(&gormOldBook{}, "obsolete") {
		if err := m.DropColumn(&gormOldBook{}, "obsolete"); err != nil {
			return err
		}
	}
	if err := g.AutoMigrate(&gormAuthor{}, &gormBook{}, &gormTag{}); err != nil {
		return err
	}
	return m.AlterColumn(&gormBook{}, "Title")
}

func (s *gormShop) trade(ctx context.Context) (saw []string, err error) {
	see := func(v any) { saw = append(saw, fmt.Sprintf("%+v", v)) }
	g := s.g.WithContext(ctx)
	tables, err := g.Migrator().GetTables()
	if err != nil {
		return saw, err
	}
	slices.Sort(tables)
	see(tables)
	price := 1.5
	ann := gormAuthor{Name: "ann", Books: []gormBook{
		{Title: "b1", Cover: cover, Printed: &printed, Tags: []gormTag{{Name: "t1"}, {Name: "t2"}}},
		{Title: "b2", Price: &price, Tags: []gormTag{{Name: "t3"}}},
	}}
	if err := g.Create(&ann).Error; err != nil {
		return saw, err
	}
	see(ann.ID)
	more := make([]gormBook, 25)
	for i := range more {
		more[i] = gormBook{AuthorID: ann.ID, Title: fmt.Sprintf("many-%02d", i)}
	}
	if err := g.CreateInBatches(more, 10).Error; err != nil {
		return saw, err
	}
	see(more[24].ID)
	err = g.Create(&gormAuthor{Name: "ann"}).Error
	see(err != nil)
	var books []gormBook
	if err := g.Preload("Tags").Joins("Author").Order("title").Limit(3).Find(&books).Error; err != nil {
		return saw, err
	}
	for _, b := range books {
		see([]any{b.ID, b.Title, b.Cover, b.Printed, b.Price != nil, b.Author.Name, b.Tags})
	}
	if err := g.Model(&books[0]).Association("Tags").Clear(); err != nil {
		return saw, err
	}
	var gone []gormBook
	r := g.Clauses(clause.Returning{}).Where("title > ?", "many-20").Delete(&gone)
	see([]any{r.RowsAffected, len(gone), r.Error})
	r = g.Model(&gormBook{}).Where("title LIKE ?", "many%").Update("price", gorm.Expr("id * ?", 2))
	see([]any{r.RowsAffected, r.Error})
	var n int64
	err = g.Model(&gormBook{}).Where("price > ?", 10).Count(&n).Error
	see(n)
	if err != nil {
		return saw, err
	}
	// DROP TABLE of a table that others point to: the migrator turns foreign keys off.
	return saw, errors.Join(g.Migrator().CreateTable(&gormPress{}), g.Migrator().DropTable(&gormPress{}))
}

type gormPress struct {
	ID       int64
	Parent   *gormPress
	ParentID *int64
}

func (s *gormShop) visit(ctx context.Context, n int) error {
	return s.g.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		author := gormAuthor{Name: "visitor", Visits: 1}
		upsert := clause.OnConflict{Columns: []clause.Column{{Name: "name"}},
			DoUpdates: clause.Assignments(map[string]any{"visits": gorm.Expr("visits + 1")})}
		if err := tx.Clauses(upsert, clause.Returning{}).Create(&author).Error; err != nil {
			return err
		}
		if err := tx.Create(&gormBook{AuthorID: author.ID, Title: visitTitle(n, "")}).Error; err != nil {
			return err
		}
		err := tx.Transaction(func(tx *gorm.DB) error {
			return tx.Create(&gormBook{AuthorID: author.ID, Title: visitTitle(n, "-kept")}).Error
		})
		if err != nil {
			return err
		}
		err = tx.Transaction(func(tx *gorm.DB) error {
			if err := tx.Create(&gormBook{AuthorID: author.ID, Title: visitTitle(n, "-undone")}).Error; err != nil {
				return err
			}
			return errUndo
		})
		if !errors.Is(err, errUndo) {
			return err
		}
		return nil
	})
}

// TestGORMTranslatesErrors: it looks for the code in a field of go-sqlite3's name.
func TestGORMTranslatesErrors(t *testing.T) {
	db, _ := secondary(t)
	s := newGormShop(t, db).(*gormShop)
	if err := s.migrate(within(t)); err != nil {
		t.Fatal(err)
	}
	for want, make := range map[error]func() error{
		gorm.ErrDuplicatedKey:      func() error { return s.g.Create(&[]gormTag{{Name: "same"}, {Name: "same"}}).Error },
		gorm.ErrForeignKeyViolated: func() error { return s.g.Create(&gormBook{AuthorID: 99, Title: "t"}).Error },
	} {
		if err := make(); !errors.Is(err, want) {
			t.Errorf("%v, want %v", err, want)
		}
	}
}
