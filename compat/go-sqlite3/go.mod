module github.com/mattn/go-sqlite3

go 1.26.0

require github.com/ramet-io/ramet v0.0.0
