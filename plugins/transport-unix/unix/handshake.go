package unix

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

// The handshake is one message each way:
//
//	client: magic(8) version(2) length(2) scope
//	server: magic(8) version(2) length(2) code(4) scope, or the reason's text if code is not 0
//
// Its first twelve bytes keep their meaning in every version of the protocol, so
// that versions which do not fit can say so. Bytes after the fields known to the
// reader are ignored.
const (
	magic       = "RAMET\x00ux"
	version     = 1
	helloHeader = 12
	maxHello    = 8 << 10
)

// probeWorkspace asks a server only who it is.
const probeWorkspace = "?"

var (
	// errForeign is for a peer that is no ramet instance at all.
	errForeign = errors.New("not a ramet instance")
	// errProbe is for a peer that only asked who we are.
	errProbe = errors.New("a probe")
)

func appendHello(b []byte, payload []byte) []byte {
	b = append(b, magic...)
	b = binary.BigEndian.AppendUint16(b, version)
	b = binary.BigEndian.AppendUint16(b, uint16(len(payload)))
	return append(b, payload...)
}

// readHello reads one message. It returns errForeign for a wrong magic and
// ErrIncompatible for another version, with the message read to its end.
func readHello(r io.Reader) ([]byte, error) {
	var head [helloHeader]byte
	if n, err := io.ReadFull(r, head[:]); err != nil {
		if n > 0 && string(head[:min(n, len(magic))]) != magic[:min(n, len(magic))] {
			return nil, errForeign
		}
		return nil, err
	}
	if string(head[:len(magic)]) != magic {
		return nil, errForeign
	}
	n := binary.BigEndian.Uint16(head[10:])
	if n > maxHello {
		return nil, errForeign
	}
	payload := make([]byte, n)
	if _, err := io.ReadFull(r, payload); err != nil {
		return nil, err
	}
	if v := binary.BigEndian.Uint16(head[8:]); v != version {
		return payload, fmt.Errorf("%w: the peer speaks version %d of the socket protocol, we speak %d; use the same ramet version on both sides",
			sdk.ErrIncompatible, v, version)
	}
	return payload, nil
}

// appendScope appends s without its secret: the system proves who we are.
func appendScope(b []byte, s sdk.Scope) []byte {
	b = binary.BigEndian.AppendUint64(b, s.Epoch)
	b = binary.BigEndian.AppendUint64(b, uint64(s.PID))
	for _, text := range []string{s.Workspace, s.Instance, s.Incarnation, string(s.Role), s.Fingerprint} {
		b = appendText(b, text)
	}
	return b
}

func decodeScope(p []byte) (sdk.Scope, error) {
	if len(p) < 16 {
		return sdk.Scope{}, errFrame("hello")
	}
	s := sdk.Scope{Epoch: binary.BigEndian.Uint64(p), PID: int(int64(binary.BigEndian.Uint64(p[8:])))}
	p = p[16:]
	var role string
	for _, field := range []*string{&s.Workspace, &s.Instance, &s.Incarnation, &role, &s.Fingerprint} {
		var ok bool
		if *field, p, ok = takeText(p); !ok {
			return sdk.Scope{}, errFrame("hello")
		}
	}
	s.Role = sdk.Role(role)
	return s, nil
}

func checkScope(s sdk.Scope) error {
	const fixed = 16 + 5*2
	if n := fixed + len(s.Workspace) + len(s.Instance) + len(s.Incarnation) + len(s.Role) + len(s.Fingerprint); n > maxHello-4 {
		return fmt.Errorf("%w: the scope has %d bytes, the limit is %d; shorten the instance's name", sdk.ErrInvalid, n, maxHello-4)
	}
	if s.Workspace == "" {
		return fmt.Errorf("%w: the scope names no workspace", sdk.ErrInvalid)
	}
	return nil
}

// verifyUser asks the system who the peer is and refuses another user. Nothing
// has been read from c yet.
func verifyUser(c *net.UnixConn) (uid, pid int, err error) {
	uid, pid, err = credentials(c)
	if err != nil {
		return -1, 0, fmt.Errorf("%w: ask the system who the peer is: %v", sdk.ErrUnavailable, err)
	}
	if uid >= 0 && uid != os.Getuid() {
		return uid, pid, fmt.Errorf("%w: the peer runs as user %d, we as %d; use the same user", sdk.ErrInvalid, uid, os.Getuid())
	}
	return uid, pid, nil
}

// answer is the server's side of the handshake. It writes the refusal itself.
func answer(c *net.UnixConn, own sdk.Scope) (sdk.Peer, error) {
	uid, pid, err := verifyUser(c)
	if err != nil {
		refuse(c, err)
		return sdk.Peer{}, err
	}
	payload, err := readHello(c)
	if errors.Is(err, errForeign) {
		return sdk.Peer{}, err
	}
	var scope sdk.Scope
	if err == nil {
		scope, err = decodeScope(payload)
	}
	probe := err == nil && scope.Workspace == probeWorkspace
	if err == nil && !probe {
		err = admit(own, scope)
	}
	if err != nil {
		refuse(c, err)
		return sdk.Peer{}, err
	}
	_, err = c.Write(appendHello(nil, appendScope(make([]byte, 4), own)))
	if probe {
		return sdk.Peer{}, errProbe
	}
	return sdk.Peer{Scope: scope, UID: uid, PID: pid}, err
}

// admit says whether a server with scope own takes a client with scope s.
func admit(own, s sdk.Scope) error {
	if s.Workspace != own.Workspace {
		return fmt.Errorf("%w: workspace %s is served here, not %s", sdk.ErrInvalid, own.Workspace, s.Workspace)
	}
	if s.Epoch > own.Epoch {
		return fmt.Errorf("%w: epoch %d is served here, at least %d is wanted", sdk.ErrFenced, own.Epoch, s.Epoch)
	}
	return nil
}

func refuse(c *net.UnixConn, err error) {
	code := sdk.CodeOf(err)
	if code == 0 {
		return
	}
	text := err.Error()
	b := binary.BigEndian.AppendUint32(nil, uint32(code))
	_, _ = c.Write(appendHello(nil, append(b, text[:min(len(text), 512)]...)))
}

// introduce is the client's side of the handshake.
func introduce(c *net.UnixConn, own sdk.Scope) (sdk.Peer, error) {
	uid, pid, err := verifyUser(c)
	if err != nil {
		return sdk.Peer{}, err
	}
	// A server that refuses us unheard has closed already, but its reason is there to
	// be read.
	_, unsent := c.Write(appendHello(nil, appendScope(nil, own)))
	payload, err := readHello(c)
	if err != nil {
		if unsent != nil && sdk.CodeOf(err) == 0 && !errors.Is(err, errForeign) {
			err = unsent
		}
		return sdk.Peer{UID: uid, PID: pid}, err
	}
	if len(payload) < 4 {
		return sdk.Peer{}, errFrame("hello")
	}
	if code := binary.BigEndian.Uint32(payload); code != 0 {
		return sdk.Peer{UID: uid, PID: pid}, refusal(code, string(payload[4:]))
	}
	scope, err := decodeScope(payload[4:])
	if err == nil && own.Workspace != probeWorkspace {
		err = admit(scope, own)
	}
	return sdk.Peer{Scope: scope, UID: uid, PID: pid}, err
}

// refusal rebuilds what refuse sent.
func refusal(code uint32, text string) error {
	kind := sdk.KindOf(sdk.Code(code))
	if kind == nil {
		kind = sdk.ErrIncompatible
	}
	return fmt.Errorf("%w: the server refused: %q", kind, text)
}

// withDeadline bounds all I/O of do on c by d and by ctx, and takes the bound
// away afterwards.
func withDeadline(ctx context.Context, c *net.UnixConn, d time.Duration, do func() error) error {
	at := time.Now().Add(d)
	if t, ok := ctx.Deadline(); ok && t.Before(at) {
		at = t
	}
	_ = c.SetDeadline(at)
	stop := context.AfterFunc(ctx, func() { _ = c.SetDeadline(time.Unix(1, 0)) })
	err := do()
	if !stop() && err == nil {
		err = ctx.Err() // the deadline may be set after this; the caller closes c
	}
	if err == nil {
		err = c.SetDeadline(time.Time{})
	}
	return err
}
