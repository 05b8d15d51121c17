package assembly_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ramet-io/ramet/assembly"
	"github.com/ramet-io/ramet/plugins/bundled"
	"github.com/ramet-io/ramet/sdk"
)

// all serves every stage, so that a case is about one thing.
const all = `
plugin "transport-unix" {}
plugin "failover-lease" {}
plugin "store-sqlite" {}
`

// write puts text into a file of a fresh directory.
func write(t *testing.T, name, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// faultsOf loads the file and returns what is wrong with it.
func faultsOf(t *testing.T, path string) []assembly.Fault {
	t.Helper()
	a, err := assembly.Load(context.Background(), path, bundled.All())
	if err == nil {
		a.Close()
		return nil
	}
	var e *assembly.Error
	if !errors.As(err, &e) || !errors.Is(err, sdk.ErrInvalid) || a != nil {
		t.Fatalf("Load: %T %v, %v", err, err, a)
	}
	return e.Faults
}

// want is one expected fault: its line and what its text holds.
type want struct {
	line int
	text string
}

func compare(t *testing.T, got []assembly.Fault, wanted []want) {
	t.Helper()
	for n := range max(len(got), len(wanted)) {
		switch {
		case n >= len(got):
			t.Errorf("fault %d is missing: line %d, %q", n, wanted[n].line, wanted[n].text)
		case n >= len(wanted):
			t.Errorf("fault %d is not expected:\n%s", n, got[n])
		case got[n].Line != wanted[n].line || !strings.Contains(got[n].String(), wanted[n].text):
			t.Errorf("fault %d: want line %d, %q; got\n%s", n, wanted[n].line, wanted[n].text, got[n])
		}
	}
	for _, f := range got {
		if f.Fix == "" || f.File == "" || f.What == "" || f.Line > 0 && f.Excerpt == "" && !strings.Contains(f.What, "UTF-8") && !strings.Contains(f.What, "unclosed") {
			t.Errorf("not complete: %+v", f)
		}
	}
}

func TestFaults(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []want
	}{
		{"many plugins", all + strings.Repeat("plugin \"store-sqlite\" {}\n", 30), many(5, 29, want{34, "more than 32 plugins"})},
		{"broken syntax", "kernel {\n  failover = \n}\n", []want{{2, "invalid expression"}}},
		{"a brace too few", "kernel {\n", []want{{1, "unclosed configuration block"}}},
		{"unknown block", "kernle {}\n", []want{{1, "did you mean: kernel"}}},
		{"unknown key of kernel", "kernel {\n  durabilty = \"full\"\n}\n", []want{{2, "did you mean: durability"}}},
		{"unknown key of a plugin", all + `plugin "x" {` + "\n  pth = \"y\"\n}\n", []want{{5, "not linked"}, {6, "did you mean: path"}}},
		{"unknown key of restart", "plugin \"store-sqlite\" {\n restart {\n maximum = 1\n}\n}\n" + `
			plugin "failover-lease" {}
			plugin "transport-unix" {}`, []want{{3, "use one of: max, per, backoff"}}},
		{"unknown plugin", strings.Replace(all, "store-sqlite", "store-sqlte", 1), []want{{4, "did you mean: store-sqlite"}}},
		{"plugin twice", all + "plugin \"store-sqlite\" {}\n", []want{{5, "given twice"}}},
		{"kernel twice", "kernel {}\nkernel {}\n", []want{{2, "the first one is in line 1"}}},
		{"plugin without a name", "plugin {}\n", []want{{1, "missing name for plugin"}}},
		{"stage missing", "plugin \"store-sqlite\" {}\nplugin \"failover-lease\" {}\n",
			[]want{{0, "no plugin serves stage ports"}, {0, "no plugin serves stage transport"}}},
		{"stage without its plugin's other", strings.Replace(all, `"transport-unix" {`, `"transport-unix" {`+"\n stages = [\"ports\"]\n", 1),
			[]want{{0, "no plugin serves stage transport"}}},
		{"unknown stage", strings.Replace(all, `"store-sqlite" {`, `"store-sqlite" { stages = ["stroe"] `, 1), []want{{4, "did you mean: store"}}},
		{"stage it does not serve", all + "plugin \"x\" {\n stages = [\"lock\"]\n}\n", []want{{5, "not linked"}, {5, `served by "failover-lease" and "x"`}}},
		{"stage of another plugin", strings.Replace(all, `"store-sqlite" {`, `"store-sqlite" { stages = ["store", "lock"] `, 1),
			[]want{{4, `served by "failover-lease" and "store-sqlite"`}, {4, "does not serve stage lock"}}},
		{"stage listed twice", strings.Replace(all, `"store-sqlite" {`, `"store-sqlite" { stages = ["store", "store"] `, 1), []want{{4, "listed twice"}}},
		{"no stage", strings.Replace(all, `"store-sqlite" {`, `"store-sqlite" { stages = [] `, 1), []want{{4, "stages is empty"}}},
		{"bare word", "kernel {\n  failover = auto\n}\n", []want{{2, `did you mean: "auto"`}}},
		{"another word", "kernel {\n  failover = \"atuo\"\n}\n", []want{{2, "did you mean: auto"}}},
		{"number for text", "kernel {\n  failover = 1\n}\n", []want{{2, "is a number; it must be a string"}}},
		{"number for duration", "kernel {\n  call_timeout = 3\n}\n", []want{{2, `write it like call_timeout = "3s"`}}},
		{"no duration", "kernel {\n  call_timeout = \"soon\"\n}\n", []want{{2, "no duration"}}},
		{"negative duration", "kernel {\n  call_timeout = \"-1s\"\n}\n", []want{{2, "too short"}}},
		{"text for truth", "kernel {\n  change_log = \"true\"\n}\n", []want{{2, "must be true or false"}}},
		{"text for number", "kernel {\n  change_retention = \"5\"\n}\n", []want{{2, "must be a whole number"}}},
		{"half a number", "kernel {\n  change_retention = 0.5\n}\n", []want{{2, "whole number of 64 bits"}}},
		{"large number", "kernel {\n  change_retention = 1e300\n}\n", []want{{2, "whole number of 64 bits"}}},
		{"negative number", "kernel {\n  change_retention = -1\n}\n", []want{{2, "use 0 or more"}}},
		{"null", "kernel {\n  data = null\n}\n", []want{{2, "is null"}}},
		{"variable", "kernel {\n  data = var.home\n}\n", []want{{2, "no variables, functions or operators"}}},
		{"interpolation", "kernel {\n  data = \"${path}/x\"\n}\n", []want{{2, "no variables, functions or operators"}}},
		{"function", "kernel {\n  data = file(\"/etc/passwd\")\n}\n", []want{{2, "no variables, functions or operators"}}},
		{"comprehension", "kernel {\n  data = [for a in [1, 2] : [for b in [1, 2] : a]]\n}\n", []want{{2, "no variables, functions or operators"}}},
		{"ttl below the lock's least", "kernel {\n  ttl = \"100ms\"\n}\n" + all, []want{{2, "use 300ms or more"}}},
		{"ttl below the lock's least by default", "kernel {\n  ttl = \"100ms\"\n}\n", []want{{2, "use 300ms or more"}}},
		{"option below its least", strings.Replace(all, `"failover-lease" {`, `"failover-lease" {`+"\n options {\n ttl = \"299ms\"\n }\n", 1), []want{{5, "use 300ms or more"}}},
		{"ttl twice", "kernel {\n  ttl = \"1s\"\n}" + strings.Replace(all, `"failover-lease" {`, `"failover-lease" {`+"\n options {\n ttl = \"1s\"\n }\n", 1), []want{{7, "kernel sets it in line 2"}}},
		{"pause longer than the transaction", "kernel {\n  tx_total = \"1s\"\n}\n", []want{{2, "contradict"}}},
		{"unknown option", strings.Replace(all, `"transport-unix" {`, `"transport-unix" {`+"\n options {\n dri = \"/x\"\n }\n", 1), []want{{4, "did you mean: dir"}}},
		{"option where there is none", strings.Replace(all, `"store-sqlite" {`, `"store-sqlite" {`+"\n options {\n a = 1\n }\n", 1), []want{{6, "the plugin has no options"}}},
		{"option of another type", strings.Replace(all, `"failover-lease" {`, `"failover-lease" {`+"\n options {\n allow_unsafe_filesystem = \"no\"\n }\n", 1), []want{{5, "must be true or false"}}},
		{"options as a key", strings.Replace(all, `"failover-lease" {`, `"failover-lease" {`+"\n options = {}\n", 1), []want{{4, `remove the "="`}}},
		{"block for a key", "kernel {\n  data {}\n}\n", []want{{2, `write it with "="`}}},
		{"program's keys without program", strings.Replace(all, `"store-sqlite" {`, `"store-sqlite" {`+"\n env = [\"HOME\"]\n args = []\n start_timeout = \"1s\"\n unlocked = true\n", 1),
			[]want{{5, "env without path"}, {6, "args without path"}, {7, "start_timeout without path"}, {8, "unlocked without path"}}},
		{"program missing", strings.Replace(all, `"store-sqlite" {`, `"store-sqlite" {`+"\n path = \"none/here\"\n", 1), []want{{5, "no such file"}}},
		{"program is a directory", strings.Replace(all, `"store-sqlite" {`, `"store-sqlite" {`+"\n path = \".\"\n", 1), []want{{5, "not a regular file"}}},
		{"program is this file", strings.Replace(all, `"store-sqlite" {`, `"store-sqlite" {`+"\n path = \"ramet.hcl\"\n", 1), []want{{5, "not executable"}}},
		{"path empty", strings.Replace(all, `"store-sqlite" {`, `"store-sqlite" {`+"\n path = \"\"\n", 1), []want{{5, "path is empty"}}},
		{"variable's value in env", strings.Replace(all, `"store-sqlite" {`, `"store-sqlite" {`+"\n path = \"/bin/sh\"\n env = [\"A=1\"]\n", 1), []want{{6, "no name of a variable"}}},
		{"no text", strings.Repeat("\x00", 10), []want{{1, "invalid character"}, {1, "block definition required"}}},
		{"not UTF-8", "kernel {\n  data = \"\xff\"\n}\n", []want{{2, "not UTF-8"}}},
		{"huge", "#" + strings.Repeat("x", 70_000), []want{{0, "longer than"}}},
		{"deep", "kernel {\n  data = " + strings.Repeat("[", 60_000) + "\n}\n", []want{{2, "too deep"}}},
		{"many operators", "kernel {\n  data = " + strings.Repeat("-", 60_000) + "1\n}\n", []want{{2, "full of operators"}}},
		{"many conditions", "kernel {\n  data = " + strings.Repeat("a?b:", 15_000) + "c\n}\n", []want{{2, "full of operators"}}},
		{"deep templates", "kernel {\n  data = " + strings.Repeat("\"${", 20_000) + "\n}\n", []want{{2, "too deep"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			compare(t, faultsOf(t, write(t, "ramet.hcl", c.text)), c.want)
		})
	}
}

func TestFaultsOfTheJSONForm(t *testing.T) {
	plugins := func(store, lease string) string {
		return fmt.Sprintf("{\"plugin\": {\n\"transport-unix\": {},\n\"store-sqlite\": %s,\n\"failover-lease\": %s\n}}", store, lease)
	}
	for _, c := range []struct {
		name, text string
		want       []want
	}{
		{"broken syntax", "{\"kernel\": {\n\"ttl\"}}", []want{{2, "missing object value"}}},
		{"no object", "[1]", []want{{1, ""}}},
		{"text after it", "{}\n{}", []want{{2, ""}}},
		{"unknown block", "{\"kernle\": {}}", []want{{1, "did you mean: kernel"}}},
		{"unknown key", "{\"kernel\": {\n\"durabilty\": \"full\"}}", []want{{2, "did you mean: durability"}}},
		{"unknown plugin", "{\"plugin\": {\"store-sqlte\": {}}}", []want{{1, "did you mean: store-sqlite"}}},
		{"kernel twice", "{\"kernel\": {},\n\"kernel\": {}}", []want{{2, "the first one is in line 1"}}},
		{"wrong type", "{\"kernel\": {\n\"call_timeout\": 3}}", []want{{2, `write it like "call_timeout": "3s"`}}},
		{"block of a wrong type", "{\"kernel\": 5}", []want{{1, "incorrect JSON value type"}}},
		{"null for a block", "{\"kernel\": null}", []want{{1, "kernel is null"}}},
		{"null for a plugin", plugins("null", "{}"), []want{{1, "plugin is null"}, {0, "stage store"}}},
		{"null for a key", "{\"kernel\": {\n\"data\": null}}", []want{{2, "is null"}}},
		{"templates are text", plugins("{}", "{\n\"options\": {\"ttl\": \"${1+1}\"}}"), []want{{5, "no duration"}}},
		{"unknown option", plugins("{\"options\": {\n\"a\": 1}}", "{}"), []want{{4, "has no option"}}},
		{"stage missing", "{\"plugin\": {\"store-sqlite\": {}, \"transport-unix\": {}}}", []want{{0, "stage lock"}, {0, "stage watcher"}}},
		{"ttl below the lock's least", "{\"kernel\": {\n\"ttl\": \"1ms\"}}", []want{{2, "use 300ms or more"}}},
		{"program missing", plugins("{\n\"path\": \"none\"}", "{}"), []want{{4, "no such file"}}},
		{"deep", strings.Repeat("[", 60_000), []want{{1, "too deep"}}},
		{"deep objects", strings.Repeat(`{"a":`, 12_000), []want{{1, "too deep"}}},
		{"not UTF-8", "{\"kernel\": {\n\"data\": \"\xff\"}}", []want{{2, "not UTF-8"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, name := range []string{"ramet.hcl.json", "ramet.json"} {
				compare(t, faultsOf(t, write(t, name, c.text)), c.want)
			}
		})
	}
}

// TestEveryFaultAtOnce: one look at the messages is enough to repair the file.
func TestEveryFaultAtOnce(t *testing.T) {
	text := `kernel {
  failovr = "auto"
  ttl     = "1ms"
}
plugin "transport-unix" {
  options {
    dir = 5
  }
}
plugin "failover-lease" {
  stages = ["lock"]
}
plugin "store-sqlte" {}
`
	compare(t, faultsOf(t, write(t, "ramet.hcl", text)), []want{{2, "failover"}, {3, "300ms"}, {7, "must be a string"}, {13, "store-sqlite"}})
}

func TestAFaultIsShownWithItsLine(t *testing.T) {
	path := write(t, "ramet.hcl", "kernel {\n\tdurabilty = \"full\" # \x1b[31mred\n}\n")
	_, err := assembly.Load(context.Background(), path, bundled.All())
	want := "assembly " + path + " has 1 fault\n\n" + path + `:2:2: kernel has no key "durabilty"
  2 |  durabilty = "full" # ?[31mred
    |  ^^^^^^^^^
  did you mean: durability
  fix: use one of: call_timeout, change_log, change_retention, data, durability, failover, on_lock_error, start_timeout, ttl, tx_idle, tx_total`
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}

func TestFaultsAreBounded(t *testing.T) {
	faults := faultsOf(t, write(t, "ramet.hcl", "kernel {\n"+strings.Repeat("x {}\n", 9000)+"}\n"))
	if len(faults) != 101 || !strings.Contains(faults[0].What+faults[100].What, "more than 100") {
		t.Errorf("got %d faults, the last is %v", len(faults), faults[len(faults)-1])
	}
}

// many wants n lines from first on to give a plugin twice, and then last.
func many(first, n int, last want) (list []want) {
	for line := range n {
		list = append(list, want{first + line, "given twice"})
	}
	return append(list, last)
}
