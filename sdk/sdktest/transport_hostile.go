package sdktest

import (
	"bytes"
	"errors"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

// What strangers may do. A stranger needs something to connect to: an endpoint with a
// file's path is taken for a Unix domain socket, one with host and port for TCP. For any
// other endpoint, of a transport within one process, there are no strangers.
var transportHostiles = []transportTest{
	{"silent connections delay nobody", hostileSilent},
	{"garbage ends its own connection only", hostileGarbage},
	{"who closes at once leaves nothing behind", hostileBrief},
	{"who does not have the secret is refused by either side", hostileSecret},
	{"closing leaves no descriptor", hostileDescriptors},
}

// stranger connects to s; nil if nobody can. The test's end closes it.
func (r *transportRig) stranger(s sdk.Server) net.Conn {
	r.Helper()
	u, err := url.Parse(string(s.Bound()[0]))
	if err != nil {
		r.Fatal(err)
	}
	network, address := "tcp", u.Host
	switch {
	case u.Host == "" && filepath.IsAbs(u.Path):
		network, address = "unix", r.shorter(u.Path)
	case u.Port() == "":
		return nil
	}
	c, err := net.DialTimeout(network, address, 10*time.Second)
	if err != nil {
		r.Fatalf("connect to %s: %v", s.Bound()[0], err)
	}
	r.Cleanup(func() { _ = c.Close() })
	return c
}

// shorter returns a path to the same file that fits into a socket address.
func (r *transportRig) shorter(path string) string {
	if len(path) < 100 {
		return path
	}
	dir, err := os.MkdirTemp("", "r")
	if err != nil {
		r.Fatal(err)
	}
	r.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Symlink(filepath.Dir(path), filepath.Join(dir, "d")); err != nil {
		r.Fatal(err)
	}
	return filepath.Join(dir, "d", filepath.Base(path))
}

// serves fails the test unless s takes new links and they work.
func (r *transportRig) serves(s sdk.Server) {
	r.Helper()
	l := r.dial(s)
	if got, err := l.Call(r.ctx, sdk.Message{Op: "x", Body: []byte("b")}); err != nil || string(got) != "b" {
		r.Fatalf("a good link: got %q, %v", got, err)
	}
	r.close("link", l)
}

func hostileSilent(r *transportRig) {
	s := r.serve(transportHandler{})
	var silent []net.Conn
	for range 100 {
		if c := r.stranger(s); c != nil {
			silent = append(silent, c)
		}
	}
	r.serves(s)
	r.close("server", s)
	for _, c := range silent { // the server lets go of all of them
		_ = c.SetDeadline(time.Now().Add(20 * time.Second))
		for {
			if _, err := c.Read(make([]byte, 4096)); err != nil {
				if errors.Is(err, os.ErrDeadlineExceeded) {
					r.Fatal("a silent connection outlived the server")
				}
				break
			}
		}
	}
}

func hostileGarbage(r *transportRig) {
	s := r.serve(transportHandler{})
	good := r.dial(s)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for _, garbage := range [][]byte{
		bytes.Repeat([]byte{0xff}, 64), // a length of 2^64-1, in most protocols
		bytes.Repeat([]byte{0x7f}, 64),
		bytes.Repeat([]byte{0xff}, 1<<20),
		bytes.Repeat([]byte{0}, 1<<20),
		[]byte("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
		{0xff, 0, 0}, // and nothing more
	} {
		for range 8 {
			if c := r.stranger(s); c != nil {
				_ = c.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
				_, _ = c.Write(garbage) // the server may have had enough before the end
			}
		}
		if _, err := good.Call(r.ctx, sdk.Message{Op: "x"}); err != nil {
			r.Errorf("a link beside it: %v", err)
		}
		r.serves(s)
	}
	runtime.ReadMemStats(&after)
	if grown := int64(after.Sys) - int64(before.Sys); grown > 64<<20 {
		r.Errorf("garbage made the process grow by %d MiB", grown>>20)
	}
}

func hostileBrief(r *transportRig) {
	s := r.serve(transportHandler{})
	for range 100 {
		if c := r.stranger(s); c != nil {
			_ = c.Close()
		}
	}
	r.serves(s)
}

func hostileSecret(r *transportRig) {
	s := r.serve(transportHandler{ended: func(from sdk.Peer) {
		if from.Scope.Instance != r.client.Instance {
			r.Errorf("%s had a session", from.Scope.Instance)
		}
	}})
	if r.info.Has(sdk.CapSecret) {
		for what, secret := range map[string][]byte{"another": []byte("another secret of as many bytes!"), "no": nil} {
			scope := r.client
			scope.Secret, scope.Instance = secret, what
			if l, err := r.there.Transport().Dial(r.ctx, scope, s.Bound()); !errors.Is(err, sdk.ErrInvalid) {
				r.Errorf("%s secret: got %v, want %v", what, err, sdk.ErrInvalid)
				if err == nil {
					r.close("link", l)
				}
			}
		}
	}
	r.serves(s)
}

func hostileDescriptors(r *transportRig) {
	cycle := func() {
		s := r.serve(transportHandler{})
		l := r.dial(s)
		sub := r.subscribe(l, "")
		r.publish(s, sdk.Event{Topic: "t"})
		r.next(sub)
		r.serves(s)
		_ = r.stranger(s)
		r.close("server", s)
		r.close("link", l)
	}
	cycle() // what is opened once and kept is no leak
	before := descriptors()
	for range 20 {
		cycle()
	}
	// The strangers' own ends stay open until the test's end.
	if after := descriptors(); after > before+20+5 {
		r.Errorf("%d descriptors before, %d after 20 servers were closed", before, after)
	}
}

// descriptors counts those of this process; 0 where the system does not list them.
func descriptors() int {
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return 0
	}
	return len(list)
}
