package remote

import (
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"

	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/sdktest"
)

func TestLogsKeepLevelAndFields(t *testing.T) {
	sdktest.NoLeaks(t)
	j, log := newJournal(hclog.Info)
	l := dial(t, openProgram(t, program(t, "good"), log))
	if _, err := l.Call(within(t), sdk.Message{Op: "log", Body: []byte("said")}); err != nil {
		t.Fatal(err)
	}
	e := j.await(t, "as told")
	if e["@level"] != "warn" || e["number"] != float64(7) || e["text"] != "said" {
		t.Errorf("entry %v", e)
	}
	if list := j.entries(t, "below the level"); len(list) != 0 {
		t.Errorf("the plugin logs below the host's level: %v", list)
	}
}

func TestStandardStreamsReachTheLog(t *testing.T) {
	sdktest.NoLeaks(t)
	j, log := newJournal(hclog.Info)
	l := dial(t, openProgram(t, program(t, "good"), log))
	if _, err := l.Call(within(t), sdk.Message{Op: "print"}); err != nil {
		t.Fatal(err)
	}
	if e := j.await(t, "on standard output"); e["from"] != "stdout" {
		t.Errorf("entry %v", e)
	}
	if e := j.await(t, "on standard error"); e["from"] != "stderr" {
		t.Errorf("entry %v", e)
	}
}

// TestPluginFloodsItsLog: what is too much is dropped and counted, and the plugin
// works on.
func TestPluginFloodsItsLog(t *testing.T) {
	sdktest.NoLeaks(t)
	j, log := newJournal(hclog.Info)
	r := openProgram(t, program(t, "good"), log)
	if _, err := dial(t, r).Call(within(t), sdk.Message{Op: "flood"}); err != nil {
		t.Fatal(err)
	}
	if err := r.Close(within(t)); err != nil { // tells what was dropped
		t.Fatal(err)
	}
	kept, dropped := len(j.entries(t, "flood")), 0.0
	for _, e := range j.entries(t, "the plugin logs too much; lines were dropped") {
		dropped += e["dropped"].(float64)
	}
	if kept < logBurst || dropped == 0 || float64(kept)+dropped != 50_000 {
		t.Errorf("kept %d, dropped %v of 50000", kept, dropped)
	}
}

func TestLineThatIsTooLong(t *testing.T) {
	j, log := newJournal(hclog.Info)
	l := newLogs("x", log)
	l.read(strings.NewReader(strings.Repeat("y", 3*lineBytes) + "\nshort\n"))
	if got := l.tail(); len(got) != 2 || len(got[0]) > keptBytes+3 || got[1] != "short" {
		t.Errorf("kept %.99q", got)
	}
	if len(j.entries(t, "short")) != 1 {
		t.Error("the line after it is missing")
	}
}

func TestPanicOfTheRuntimeIsReported(t *testing.T) {
	l := newLogs("x", discard)
	l.read(strings.NewReader("before\npanic: boom\n\ngoroutine 1 [running]:\nmain.main()\n"))
	p := l.panicked()
	if p == nil || p.Value != "boom" || !strings.Contains(p.Stack, "main.main()") {
		t.Errorf("report %+v", p)
	}
}
