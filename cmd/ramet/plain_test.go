package main

import (
	"database/sql"
	"testing"

	_ "modernc.org/sqlite"
)

// plainDatabase makes a file as a program without ramet does.
func plainDatabase(t *testing.T, path string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if _, err := db.Exec("CREATE TABLE app (a); INSERT INTO app VALUES (7)"); err != nil {
		t.Fatal(err)
	}
}

func plainRead(t *testing.T, path string) (a int) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRow("SELECT a FROM app").Scan(&a); err != nil {
		t.Fatal(err)
	}
	return a
}
