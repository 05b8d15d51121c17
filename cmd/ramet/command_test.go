package main

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/ramet-io/ramet/kernel"
)

func TestSQLPrintsRows(t *testing.T) {
	dir := t.TempDir()
	works(t, "sql", "--workdir", dir, `CREATE TABLE t (id INTEGER PRIMARY KEY, a, b)`)
	if got, want := works(t, "sql", "--workdir", dir, `INSERT INTO t(a, b) VALUES (NULL, x'00ff'), ('two
lines', 1.5)`), "2 rows changed, last insert id 2\n"; got != want {
		t.Errorf("insert: got %q, want %q", got, want)
	}
	want := "id  a           b\n--  ----------  -------\n1   NULL        x'00ff'\n2   two\\nlines  1.5\n"
	if got := works(t, "sql", "--workdir", dir, `SELECT * FROM t`); got != want {
		t.Errorf("table: got\n%s\nwant\n%s", got, want)
	}
	want = `{"a":null,"b":{"base64":"AP8="},"a_2":null}` + "\n" + `{"a":"two\nlines","b":1.5,"a_2":"two\nlines"}` + "\n"
	if got := works(t, "sql", "--json", "--workdir", dir, `SELECT a, b, a FROM t`); got != want {
		t.Errorf("json: got %q, want %q", got, want)
	}
	if got, want := works(t, "sql", "--json", "--workdir", dir, `DELETE FROM t`), `{"rows_affected":2,"last_insert_id":0}`+"\n"; got != want {
		t.Errorf("delete: got %q, want %q", got, want)
	}
	if r := ramet(t, "SELECT 40 + 2 AS answer", "sql", "--workdir", dir, "-"); !strings.Contains(r.out, "42") {
		t.Errorf("from standard input: got %+v", r)
	}
}

// TestErrandsAtTheSameTimeAllSucceed: each may be the primary that leaves while
// another one is about to ask it.
func TestErrandsAtTheSameTimeAllSucceed(t *testing.T) {
	dir := t.TempDir()
	works(t, "sql", "--workdir", dir, "CREATE TABLE t (a)")
	const errands = 12
	var all sync.WaitGroup
	for n := range errands {
		all.Go(func() {
			out, err := exec.Command(program, "sql", "--workdir", dir, fmt.Sprintf("INSERT INTO t VALUES (%d)", n)).CombinedOutput()
			if err != nil {
				t.Errorf("errand %d: %v: %s", n, err, out)
			}
		})
	}
	all.Wait()
	if got, want := works(t, "sql", "--json", "--workdir", dir, "SELECT count(*) AS n, count(DISTINCT a) AS d FROM t"), "{\"n\":12,\"d\":12}\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestLargeResultIsStreamed(t *testing.T) {
	out := works(t, "sql", "--workdir", t.TempDir(),
		`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i < 5000) SELECT i FROM n`)
	if got := strings.Count(out, "\n"); got != 5002 {
		t.Errorf("got %d lines, want 5002", got)
	}
}

func TestBadInputHasItsExitStatus(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, []byte(strings.Repeat("this is no database\n", 100)), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		args   []string
		status int
	}{
		{"no such command", []string{"frobnicate"}, exitUsage},
		{"no such flag", []string{"status", "--frobnicate"}, exitUsage},
		{"missing argument", []string{"sql"}, exitUsage},
		{"too many arguments", []string{"status", "x"}, exitUsage},
		{"bad duration", []string{"sql", "--timeout", "soon", "SELECT 1"}, exitUsage},
		{"timeout of zero", []string{"sql", "--workdir", dir, "--timeout", "0s", "SELECT 1"}, exitUsage},
		{"bad failover", []string{"run", "--workdir", dir, "--failover", "maybe"}, exitUsage},
		{"bad log level", []string{"status", "--workdir", dir, "--log", "loud"}, exitUsage},
		{"workdir missing", []string{"sql", "--workdir", filepath.Join(dir, "none"), "SELECT 1"}, exitUsage},
		{"workdir is a file", []string{"sql", "--workdir", file, "SELECT 1"}, exitUsage},
		{"workdir of status missing", []string{"status", "--workdir", filepath.Join(dir, "none")}, exitUsage},
		{"empty SQL", []string{"sql", "--workdir", dir, "  "}, exitUsage},
		{"garbage SQL", []string{"sql", "--workdir", dir, "SELEC 1"}, exitSQL},
		{"no such table", []string{"sql", "--workdir", dir, "SELECT * FROM nothing"}, exitSQL},
		{"nobody handles", []string{"call", "--workdir", dir, "no.such.method"}, exitFailed},
		{"data is no database", []string{"sql", "--workdir", t.TempDir(), "--data", file, "SELECT 1"}, exitData},
		{"bad position", []string{"sub", "--workdir", dir, "--changes", "--from", "x"}, exitUsage},
		{"from without changes", []string{"sub", "--workdir", dir, "--from", "start"}, exitUsage},
		{"one instance", []string{"demo", "--instances", "1"}, exitUsage},
		{"negative kills", []string{"demo", "--kills", "-1"}, exitUsage},
		{"no kills to measure", []string{"bench", "failover", "--kills", "0"}, exitUsage},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := ramet(t, "", c.args...)
			if r.status != c.status {
				t.Errorf("exit %d, want %d", r.status, c.status)
			}
			if !strings.HasPrefix(r.errs, "ramet: ") || strings.Count(r.errs, "\n") != 1 {
				t.Errorf("want one line that starts with \"ramet: \", got %q", r.errs)
			}
			if r.out != "" {
				t.Errorf("standard output: %q", r.out)
			}
		})
	}
}

func TestUsageErrorsMakeNoWorkspace(t *testing.T) {
	dir := t.TempDir()
	ramet(t, "", "sql", "--workdir", dir, "--timeout", "0s", "SELECT 1")
	ramet(t, "", "run", "--workdir", dir, "--failover", "maybe")
	if got := listing(t, dir); len(got) != 1 {
		t.Errorf("the directory holds %v", got)
	}
}

// listing returns every path below dir with its size and time.
func listing(t *testing.T, dir string) []string {
	t.Helper()
	var list []string
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err == nil {
			list = append(list, path+" "+info.Mode().String()+" "+info.ModTime().String())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestStatusChangesNothing(t *testing.T) {
	dir := t.TempDir()
	check := func(when string, epoch bool) {
		before := listing(t, dir)
		var s kernel.Status
		object := works(t, "status", "--json", "--workdir", dir)
		if err := json.Unmarshal([]byte(object), &s); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(object, "null") || !strings.Contains(object, `"instances":[]`) {
			t.Errorf("%s: a list is null: %s", when, object)
		}
		works(t, "status", "--workdir", dir)
		if after := listing(t, dir); strings.Join(before, "\n") != strings.Join(after, "\n") {
			t.Errorf("%s: before\n%s\nafter\n%s", when, strings.Join(before, "\n"), strings.Join(after, "\n"))
		}
		if s.Primary != "" || len(s.Instances) != 0 || (s.Epoch > 0) != epoch || (s.Workspace != "") != epoch {
			t.Errorf("%s: got %+v", when, s)
		}
	}
	check("never used", false)
	works(t, "sql", "--workdir", dir, "CREATE TABLE t (a)")
	check("nobody running", true)
}

func TestRunIsSeenAndLeaves(t *testing.T) {
	dir := t.TempDir()
	first := stays(t, "run", "--workdir", dir, "--id", "first", "--echo", "echo")
	first.await(first.out, "first is primary")
	second := stays(t, "run", "--workdir", dir, "--id", "second")
	second.await(second.out, "second is secondary")

	var s kernel.Status
	if err := json.Unmarshal([]byte(works(t, "status", "--json", "--workdir", dir)), &s); err != nil {
		t.Fatal(err)
	}
	if s.Primary != "first" || len(s.Instances) < 1 || s.Instances[0].PID != first.cmd.Process.Pid {
		t.Errorf("status: got %+v", s)
	}
	if got, want := works(t, "call", "--workdir", dir, "echo", "hello"), "hello\n"; got != want {
		t.Errorf("call: got %q, want %q", got, want)
	}
	works(t, "sql", "--workdir", dir, "CREATE TABLE t (a)") // as a secondary
	if status := first.leave(syscall.SIGTERM); status != exitOK {
		t.Errorf("first: exit %d", status)
	}
	second.await(second.out, "second is primary")
	if status := second.leave(os.Interrupt); status != exitOK {
		t.Errorf("second: exit %d", status)
	}
}

func TestRunKeepsAnExistingFile(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "app.db")
	plainDatabase(t, data)
	p := stays(t, "run", "--workdir", dir, "--data", data)
	p.await(p.out, "is primary")
	if got := works(t, "sql", "--json", "--workdir", dir, "--data", data, "SELECT a FROM app"); got != "{\"a\":7}\n" {
		t.Errorf("got %q", got)
	}
	if status := p.leave(os.Interrupt); status != exitOK {
		t.Errorf("exit %d", status)
	}
	if got := plainRead(t, data); got != 7 {
		t.Errorf("a plain program reads %d, want 7", got)
	}
}

func TestPubReachesSub(t *testing.T) {
	dir := t.TempDir()
	host := stays(t, "run", "--workdir", dir)
	host.await(host.out, "is primary")
	sub := stays(t, "sub", "--workdir", dir, "--count", "2", "news.")
	sub.await(sub.err, "following")
	asJSON := stays(t, "sub", "--workdir", dir, "--count", "1", "--json", "news.")
	asJSON.await(asJSON.err, "following")
	works(t, "pub", "--workdir", dir, "other", "not for us")
	works(t, "pub", "--workdir", dir, "news.one", "body one")
	works(t, "pub", "--workdir", dir, "news.two")
	sub.await(sub.out, "news.one body one")
	sub.await(sub.out, "news.two")
	if line := asJSON.await(asJSON.out, "news.one"); !strings.Contains(line, `"body":"body one"`) {
		t.Errorf("json: got %s", line)
	}
	if status := sub.ends(); status != exitOK {
		t.Errorf("exit %d", status)
	}
}

func TestSubFollowsChanges(t *testing.T) {
	dir := t.TempDir()
	host := stays(t, "run", "--workdir", dir)
	host.await(host.out, "is primary")
	works(t, "sql", "--workdir", dir, "CREATE TABLE t (a)")
	works(t, "sql", "--workdir", dir, "INSERT INTO t VALUES (1)")
	now := stays(t, "sub", "--workdir", dir, "--changes", "--count", "1")
	now.await(now.err, "following")
	works(t, "sql", "--workdir", dir, "INSERT INTO t VALUES (2)")
	now.await(now.out, "insert t 2")
	if status := now.ends(); status != exitOK {
		t.Errorf("exit %d", status)
	}
	out := works(t, "sub", "--workdir", dir, "--changes", "--from", "start", "--count", "2", "--json")
	var first struct{ Position, Op, Table string }
	if err := json.Unmarshal([]byte(strings.SplitN(out, "\n", 2)[0]), &first); err != nil || first.Op != "insert" || first.Table != "t" {
		t.Fatalf("got %s (%v)", out, err)
	}
	out = works(t, "sub", "--workdir", dir, "--changes", "--from", first.Position, "--count", "1")
	if !strings.Contains(out, "insert t 2") {
		t.Errorf("after %s: got %q", first.Position, out)
	}
}

func TestSubEndsWithASignal(t *testing.T) {
	sub := stays(t, "sub", "--workdir", t.TempDir())
	sub.await(sub.err, "following")
	if status := sub.leave(os.Interrupt); status != exitOK {
		t.Errorf("exit %d", status)
	}
}

func TestVersionNamesWhatIsLinked(t *testing.T) {
	out := works(t, "version")
	for _, want := range []string{"ramet ", "SQLite 3.", "go1.", "modernc.org/sqlite v"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

func TestHelpNamesTheExitStatuses(t *testing.T) {
	out := works(t, "--help")
	for _, want := range []string{"Exit status:", "  6  ", "run ", "sql ", "pub ", "sub ", "call ", "status ", "demo ", "version "} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}
