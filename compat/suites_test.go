package compat

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	_ "github.com/go-gorp/gorp/v3" // so that go.mod names the modules whose tests run here
	_ "github.com/golang-migrate/migrate/v4/database/sqlite3"
)

// TestSuitesOfOthers runs the public tests of libraries that take a data source
// name on a ramet secondary: the driver "sqlite3" of this build is go-sqlite3 in
// this module. What passes on the bare driver passes there too.
func TestSuitesOfOthers(t *testing.T) {
	for _, suite := range []struct {
		pkg   string
		least int      // how many of its tests pass on the bare driver
		env   []string // DSN stands for the path of a database
		not   []string // what cannot pass here, for the reason beside it
	}{
		{"github.com/jmoiron/sqlx", 57, []string{"SQLX_SQLITE_DSN=DSN", "SQLX_POSTGRES_DSN=skip", "SQLX_MYSQL_DSN=skip"}, nil},
		{"github.com/go-gorp/gorp/v3", 114, []string{"GORP_TEST_DSN=DSN", "GORP_TEST_DIALECT=sqlite"}, nil},
		{"github.com/golang-migrate/migrate/v4/database/sqlite3", 24, nil,
			[]string{"Test", "TestMigrate", "TestNoTxWrap", "TestMigrateWithDirectoryNameContainsWhitespaces"}}, // its Drop runs VACUUM
	} {
		t.Run(suite.pkg, func(t *testing.T) {
			binary := filepath.Join(t.TempDir(), "suite.test")
			build := exec.CommandContext(t.Context(), "go", "test", "-c", "-o", binary, suite.pkg)
			if out, err := build.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			dir, err := exec.CommandContext(t.Context(), "go", "list", "-f", "{{.Dir}}", suite.pkg).Output()
			if err != nil {
				t.Fatal(err)
			}
			run := func(more ...string) ([]string, string) {
				path := filepath.Join(t.TempDir(), "suite.db")
				for _, e := range suite.env {
					more = append(more, strings.ReplaceAll(e, "DSN=DSN", "DSN="+path))
				}
				return runSuite(t, binary, strings.TrimSpace(string(dir)), more)
			}
			want, _ := run("RAMET_COMPAT_BARE=1")
			got, out := run()
			if len(want) < suite.least {
				t.Errorf("only %d tests pass on the bare driver, want %d", len(want), suite.least)
			}
			t.Logf("%d tests pass on the bare driver, %d on a secondary", len(want), len(got))
			for _, name := range want {
				if slices.Contains(got, name) == slices.Contains(suite.not, name) {
					t.Errorf("%s passes on the bare driver; here: %t", name, slices.Contains(got, name))
				}
			}
			if t.Failed() {
				t.Log(out)
			}
		})
	}
}

var passed = regexp.MustCompile(`(?m)^\s*--- PASS: (\S+)`)

// runSuite returns the tests that passed.
func runSuite(t *testing.T, binary, dir string, env []string) (names []string, out string) {
	t.Helper()
	cmd := exec.CommandContext(within(t), binary, "-test.v")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), env...)
	all, _ := cmd.CombinedOutput() // some of its tests may fail: the comparison tells
	for _, m := range passed.FindAllStringSubmatch(string(all), -1) {
		names = append(names, m[1])
	}
	return names, strings.TrimSpace(string(all))
}
