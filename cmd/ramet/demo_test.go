package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/ramet-io/ramet/sdk/sdktest"
)

func TestDemoLosesNothing(t *testing.T) {
	stops := "1"
	if runtime.GOOS == "windows" {
		stops = "0" // it cannot stop a process
	}
	r := ramet(t, "", "demo", "--duration", "6s", "--kills", "2", "--stops", stops, "--json")
	d := json.NewDecoder(bytes.NewBufferString(r.out))
	var got map[string]any
	if err := d.Decode(&got); err != nil {
		t.Fatalf("exit %d, %v\n%s%s", r.status, err, r.out, r.errs)
	}
	if d.More() || r.status != exitOK || r.errs != "" {
		t.Errorf("exit %d, errors %q, output %s", r.status, r.errs, r.out)
	}
	for name, want := range map[string]float64{"instances": 3, "kills": 2, "lost": 0, "duplicated": 0} {
		if got[name] != want {
			t.Errorf("%s is %v, want %v", name, got[name], want)
		}
	}
	for _, name := range []string{"stops", "promotions", "acked", "fenced", "gap_ms", "integrity", "seed", "feed"} {
		if _, ok := got[name]; !ok {
			t.Errorf("%s is missing in %s", name, r.out)
		}
	}
	if n, _ := got["promotions"].(float64); n < 3 && stops == "1" {
		t.Errorf("%v promotions after two kills and a stop", n)
	}
	if n, _ := got["acked"].(float64); n < 50 {
		t.Errorf("%v writes in six seconds", n)
	}
}

// TestDemoOfProgramsLosesNothing kills plugins as well as kernels, and no process of
// either kind is left.
func TestDemoOfProgramsLosesNothing(t *testing.T) {
	r := ramet(t, "", "demo", "--external", "--duration", "6s", "--kills", "2", "--stops", "0", "--plugin-kills", "3", "--json")
	var got struct {
		Kills, Acked, Lost, Duplicated int
		PluginKills                    int `json:"plugin_kills"`
		Failures                       []string
	}
	if err := json.Unmarshal([]byte(r.out), &got); err != nil {
		t.Fatalf("exit %d, %v\n%s%s", r.status, err, r.out, r.errs)
	}
	if r.status != exitOK || got.Kills != 2 || got.PluginKills != 3 || got.Lost+got.Duplicated+len(got.Failures) > 0 || got.Acked < 50 {
		t.Errorf("exit %d, %+v\n%s", r.status, got, r.errs)
	}
	for _, line := range processes(t) {
		if strings.Contains(line, filepath.Dir(program)) {
			t.Errorf("still runs: %s", line)
		}
	}
}

func TestDemoTakesAnAssembly(t *testing.T) {
	path := file(t, "ramet.hcl", "kernel {\n  durability = \"process\"\n  data = \"must-not-be-used.db\"\n}\n")
	args := []string{"demo", "--assembly", path, "--instances", "2", "--kills", "1", "--stops", "0", "--duration", "1s"}
	works(t, args...)
	if entries, err := os.ReadDir(filepath.Dir(path)); err != nil || len(entries) != 1 {
		t.Errorf("the demonstration wrote beside the assembly: %v (%v)", entries, err)
	}
	for _, more := range [][]string{{"--plugin-kills", "1"}, {"--external"}} {
		if r := ramet(t, "", append(args, more...)...); r.status != exitUsage {
			t.Errorf("%q: exit %d, %s", more, r.status, r.errs)
		}
	}
}

func TestDemoKeepsTheWorkspaceItWasGiven(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	args := []string{"demo", "--workdir", dir, "--instances", "2", "--kills", "1", "--stops", "0", "--duration", "1s"}
	works(t, args...)
	if _, err := os.Stat(filepath.Join(dir, ".ramet", "ramet.db")); err != nil {
		t.Error(err)
	}
	if r := ramet(t, "", args...); r.status != exitUsage {
		t.Errorf("over a used workspace: exit %d, want %d: %s", r.status, exitUsage, r.errs)
	}
}

// TestDemoLeavesNoProcess ends the demonstration as Ctrl-C does.
func TestDemoLeavesNoProcess(t *testing.T) {
	if runtime.GOOS == "windows" {
		sdktest.NotRun(t, "signals; Windows has none")
	}
	dir := filepath.Join(t.TempDir(), "w")
	p := stays(t, "demo", "--workdir", dir, "--duration", "50s")
	p.await(p.out, "primary")
	if status := p.leave(os.Interrupt); status != exitFailed {
		t.Errorf("exit %d, want %d", status, exitFailed)
	}
	if err := os.RemoveAll(dir); err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Error(err) // a node that still ran would make files meanwhile
	}
}

func TestBenchStart(t *testing.T) {
	var got struct {
		Primary   struct{ Count int } `json:"primary_ms"`
		Secondary struct{ Count int } `json:"secondary_ms"`
	}
	out := works(t, "bench", "start", "--runs", "2", "--json")
	if err := json.Unmarshal([]byte(out), &got); err != nil || got.Primary.Count != 2 || got.Secondary.Count != 2 {
		t.Errorf("got %s (%v)", out, err)
	}
}

func TestBenchRead(t *testing.T) {
	var got struct{ Primary, Secondary struct{ Count int } }
	out := works(t, "bench", "read", "--reads", "400", "--json")
	if err := json.Unmarshal([]byte(out), &got); err != nil || got.Primary.Count < 400 || got.Secondary.Count < 400 {
		t.Errorf("got %s (%v)", out, err)
	}
}

func TestBenchTransport(t *testing.T) {
	var got struct {
		Calls  []struct{ Kind string }
		Events []struct{ Published, Delivered, Reported, Silent int }
	}
	// So few events that no queue is full, but for the flood without a pause.
	out := works(t, "bench", "transport", "--rounds", "1", "--span", "20ms", "--json")
	if err := json.Unmarshal([]byte(out), &got); err != nil || len(got.Calls) != 5 || len(got.Events) != 30 {
		t.Fatalf("got %s (%v)", out, err)
	}
	for _, e := range got.Events {
		if e.Delivered+e.Reported+e.Silent != 8*e.Published {
			t.Errorf("got %+v", e)
		}
	}
}

func TestBenchFailover(t *testing.T) {
	var got struct {
		Kills int
		F     struct{ Count int } `json:"f_ms"`
		Run   struct{ Lost, Duplicated int }
	}
	out := works(t, "bench", "failover", "--kills", "2", "--json")
	if err := json.Unmarshal([]byte(out), &got); err != nil || got.Kills != 2 || got.F.Count != 2 ||
		got.Run.Lost+got.Run.Duplicated > 0 {
		t.Errorf("got %s (%v)", out, err)
	}
}
