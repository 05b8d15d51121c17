package zmq

import (
	"errors"
	"fmt"
	"reflect"
	"testing"

	"github.com/ramet-io/ramet/sdk"
)

func TestPortsLieOutsideTheEphemeralRange(t *testing.T) {
	for _, ephemeral := range [][2]int{{32768, 60999}, {49152, 65535}, {1024, 50000}, {10250, 65530}, {0, 0}, {1, 10239}} {
		low, high := ephemeral[0], ephemeral[1]
		for n := range 200 {
			list, err := tcpPorts(fmt.Sprint("key", n), low, high)
			if err != nil {
				t.Fatalf("%v: %v", ephemeral, err)
			}
			seen := map[sdk.Endpoint]bool{}
			for _, e := range list {
				var port int
				if _, err := fmt.Sscanf(string(e), "zmq+tcp://127.0.0.1:%d", &port); err != nil || port < firstPort || port > 65535 ||
					port >= low && port <= high {
					t.Fatalf("%v: %s: %v", ephemeral, e, err)
				}
				seen[e] = true
			}
			again, _ := tcpPorts(fmt.Sprint("key", n), low, high)
			if len(seen) != tcpCandidates || !reflect.DeepEqual(list, again) {
				t.Fatalf("%v: %v, then %v", ephemeral, list, again)
			}
		}
	}
	if _, err := tcpPorts("key", 1024, 65530); !errors.Is(err, sdk.ErrInvalid) {
		t.Errorf("no room: %v", err)
	}
	if low, high := ephemeral(); low < 1 || high < low || high > 65535 {
		t.Errorf("ephemeral ports %d to %d", low, high)
	}
}

func TestOptions(t *testing.T) {
	for text, want := range map[string]options{
		"":                      {Listen: "ipc"},
		`{}`:                    {Listen: "ipc"},
		`{"listen": "tcp"}`:     {Listen: "tcp"},
		`{"listen": "ipc,tcp"}`: {Listen: "ipc,tcp"},
		`{"dir": "/run/x"}`:     {Listen: "ipc", Dir: "/run/x"},
	} {
		if got, err := parseOptions([]byte(text)); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, bad := range []string{`{"port": 1}`, `{"listen": ""}`, `{"listen": "udp"}`, `{"dir": "rel"}`, `{} {}`, `x`} {
		if _, err := parseOptions([]byte(bad)); !errors.Is(err, sdk.ErrInvalid) {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
