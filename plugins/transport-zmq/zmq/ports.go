package zmq

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"

	"github.com/ramet-io/ramet/plugins/internal/sockfile"
	"github.com/ramet-io/ramet/sdk"
)

// tcpCandidates is how many ports a workspace has. Another workspace or program may
// have one of them; then the next is taken.
const tcpCandidates = 8

// firstPort is the lowest port used: those below are where well-known services are.
const firstPort = 10240

type ports struct{ opts options }

var _ sdk.Ports = ports{}

// Candidates implements [sdk.Ports]. With listen "ipc,tcp" a set has one endpoint of
// each kind.
func (p ports) Candidates(_ context.Context, w sdk.Workspace) ([][]sdk.Endpoint, error) {
	var kinds [][]sdk.Endpoint
	if p.opts.ipc() {
		list, err := sockfile.Candidates(SchemeIPC, "z", p.opts.Dir, w.Key)
		if err != nil {
			return nil, err
		}
		kinds = append(kinds, list)
	}
	if p.opts.tcp() {
		low, high := ephemeral()
		list, err := tcpPorts(w.Key, low, high)
		if err != nil {
			return nil, err
		}
		kinds = append(kinds, list)
	}
	var sets [][]sdk.Endpoint
	for i := 0; i < len(kinds[0]) && i < len(kinds[len(kinds)-1]); i++ {
		var set []sdk.Endpoint
		for _, list := range kinds {
			set = append(set, list[i])
		}
		sets = append(sets, set)
	}
	return sets, nil
}

// tcpPorts derives ports from a workspace's key. None lies between low and high,
// from which the system gives ports to outgoing connections: there a stranger's
// connection could have the port, or our own dialing meet itself.
func tcpPorts(key string, low, high int) ([]sdk.Endpoint, error) {
	if key == "" {
		return nil, fmt.Errorf("%w: the workspace has no key; fill Workspace.Key", sdk.ErrInvalid)
	}
	below, above := max(low-firstPort, 0), max(65535-max(high, firstPort-1), 0)
	if below+above < tcpCandidates {
		return nil, fmt.Errorf("%w: the system's ephemeral ports, %d to %d, leave none for TCP; use listen = \"ipc\"", sdk.ErrInvalid, low, high)
	}
	var list []sdk.Endpoint
	for n := 0; len(list) < tcpCandidates; n++ {
		sum := sha256.Sum256(fmt.Appendf(nil, "%s %d", key, n))
		port := firstPort + int(binary.BigEndian.Uint64(sum[:])%uint64(below+above))
		if port >= firstPort+below {
			port += max(high+1, firstPort) - (firstPort + below)
		}
		e := sdk.Endpoint(SchemeTCP + "://127.0.0.1:" + strconv.Itoa(port))
		if !slices.Contains(list, e) {
			list = append(list, e)
		}
	}
	return list, nil
}

// tcpAddress returns the address in an endpoint. Only loopback will do: frames are
// sealed, so that nobody can change them, and not encrypted.
func tcpAddress(e sdk.Endpoint) (string, error) {
	u, err := url.Parse(string(e))
	if err == nil && u.Scheme == SchemeTCP && u.Path == "" {
		at, err := netip.ParseAddrPort(u.Host)
		if err == nil && at.Addr().IsLoopback() && at.Port() != 0 {
			return at.String(), nil
		}
	}
	return "", fmt.Errorf("%w: endpoint %q is not of the form %s://127.0.0.1:port, with an address of this machine only",
		sdk.ErrInvalid, e, SchemeTCP)
}

// tcpListener is a bound port.
type tcpListener struct{ *net.TCPListener }

// Unbind implements [stream.Listener].
func (l tcpListener) Unbind() { _ = l.Close() }
