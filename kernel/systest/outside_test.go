package systest

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ramet-io/ramet/kernel"
	"github.com/ramet-io/ramet/sdk"
)

// outsider links to a primary as a program without the kernel does.
func outsider(t *testing.T, inst *kernel.Instance, dir string) sdk.Link {
	t.Helper()
	secret, err := os.ReadFile(filepath.Join(dir, ".ramet", "secret"))
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range plugins(t) {
		if !p.Describe().Serves(sdk.StageTransport) {
			continue
		}
		run, err := p.Open(t.Context(), sdk.Env{})
		if err != nil {
			t.Fatal(err)
		}
		st, err := inst.Status(within(t))
		if err != nil {
			t.Fatal(err)
		}
		link, err := run.Transport().Dial(within(t), sdk.Scope{Workspace: st.Workspace, Instance: "outsider", Secret: secret}, st.Endpoints)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			ctx, cancel := context.WithTimeout(context.Background(), limit)
			defer cancel()
			if err := run.Close(ctx); err != nil {
				t.Error(err)
			}
		})
		return link
	}
	t.Fatal("no transport")
	return nil
}

// TestOutsiderFollowsChanges: a program without the kernel learns of each change by
// the hint and the operation that docs/zmq-wire.md promises.
func TestOutsiderFollowsChanges(t *testing.T) {
	dir := t.TempDir()
	inst := boot(t, dir)
	if _, err := inst.DB().Exec("CREATE TABLE t(x)"); err != nil {
		t.Fatal(err)
	}
	link := outsider(t, inst, dir)
	hints, err := link.Subscribe(within(t), "k:commit")
	if err != nil {
		t.Fatal(err)
	}
	position := ""
	next := func() (got []string) {
		for {
			body, err := link.Call(within(t), sdk.Message{Op: "changes", Body: []byte(position)})
			if err != nil {
				t.Fatal(err)
			}
			for line := range strings.Lines(string(body)) {
				var c struct{ Position, Op, Table string }
				if err := json.Unmarshal([]byte(line), &c); err != nil {
					t.Fatal(err)
				}
				position = c.Position
				got = append(got, c.Op+" "+c.Table)
			}
			if len(body) == 0 {
				return got
			}
		}
	}
	next()
	for _, query := range []string{"INSERT INTO t VALUES (1)", "UPDATE t SET x = 2", "DELETE FROM t"} {
		if _, err := inst.DB().Exec(query); err != nil {
			t.Fatal(err)
		}
		if _, err := hints.Next(within(t)); err != nil {
			t.Fatal(err)
		}
		want := strings.ToLower(query[:6]) + " t"
		if got := next(); len(got) != 1 || got[0] != want {
			t.Errorf("%s: got %q, want %q", query, got, want)
		}
	}
	if _, err := link.Call(within(t), sdk.Message{Op: "changes", Body: []byte("nonsense")}); !errors.Is(err, sdk.ErrInvalid) {
		t.Errorf("a position that is none: %v", err)
	}
	if body, err := link.Call(within(t), sdk.Message{Op: "changes", Body: []byte("foreign:7")}); err != nil || !strings.Contains(string(body), `"op":"gap"`) {
		t.Errorf("a position of another lineage: %s, %v", body, err)
	}
}
