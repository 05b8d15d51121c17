//go:build unix

package systest

import (
	"fmt"
	"os"
	"strconv"
	"testing"

	"github.com/ramet-io/ramet/sdk"
	"github.com/ramet-io/ramet/sdk/sdktest"
)

const racers = 16

func raceRounds(t *testing.T) int {
	text := os.Getenv("RAMET_RACE_ROUNDS")
	if text == "" && external() {
		return 5 // of 64 processes each
	}
	if text == "" {
		return 20
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("RAMET_RACE_ROUNDS is %q, not a number of rounds", text)
	}
	return n
}

// TestStartRace: in the system ramet replaces, 41 of 75 secondaries of such a race
// got nil handles and no error.
func TestStartRace(t *testing.T) {
	sdktest.NoLeaks(t)
	for round := range raceRounds(t) {
		t.Run(strconv.Itoa(round), startRace)
	}
}

func startRace(t *testing.T) {
	dir := t.TempDir()
	nodes := make([]*node, racers)
	for n := range nodes {
		nodes[n] = spawn(t, fmt.Sprintf("racer%d", n))
	}
	for _, n := range nodes { // all are up before the first may go
		n.must(order{Op: "hello"})
	}
	boots := make([]<-chan answer, racers)
	for n := range nodes {
		boots[n] = nodes[n].boot(dir)
	}
	roles := map[sdk.Role]int{}
	for n, ch := range boots {
		a := nodes[n].await(ch)
		if a.Err != "" {
			t.Errorf("%s: %s", nodes[n].name, a.Err)
		}
		roles[a.Role]++
	}
	if roles[sdk.Primary] != 1 || roles[sdk.Secondary] != racers-1 {
		t.Errorf("roles %v, want one primary and %d secondaries", roles, racers-1)
	}
	nodes[0].exec("CREATE TABLE t(racer TEXT PRIMARY KEY)")
	for _, n := range nodes {
		n.exec("INSERT INTO t VALUES(?)", n.name)
	}
	for _, n := range nodes {
		if got := n.number("SELECT count(*) FROM t"); got != racers {
			t.Errorf("%s sees %d rows, want %d", n.name, got, racers)
		}
	}
	if got := epochOf(t, nodes[0]); got != 1 {
		t.Errorf("epoch %d, want 1: one promotion", got)
	}
}
