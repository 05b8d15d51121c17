package unix

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"github.com/ramet-io/ramet/plugins/internal/stream"
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
	maxHello    = stream.MaxScope
)

// errForeign is for a peer that is no ramet instance at all.
var errForeign = errors.New("not a ramet instance")

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

// verifyUser asks the system who the peer is and refuses another user. Nothing
// has been read from c yet.
func verifyUser(c *net.UnixConn) (uid, pid int, err error) {
	uid, pid, err = credentials(c)
	if err != nil {
		return -1, 0, fmt.Errorf("%w: ask the system who the peer is: %v", sdk.ErrUnavailable, err)
	}
	if uid >= 0 && uid != os.Getuid() {
		return uid, pid, &stream.Refusal{Counter: stream.CountScope,
			Err: fmt.Errorf("%w: the peer runs as user %d, we as %d; use the same user", sdk.ErrInvalid, uid, os.Getuid())}
	}
	return uid, pid, nil
}

// answer is the server's side of the handshake; see [stream.Answer].
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
		scope, err = stream.DecodeScope(payload)
	}
	probe := err == nil && scope.Workspace == stream.ProbeWorkspace
	if err == nil && !probe {
		err = stream.Admit(own, scope)
	}
	if err != nil {
		refuse(c, err)
		return sdk.Peer{}, err
	}
	_, err = c.Write(appendHello(nil, stream.AppendScope(make([]byte, 4), own)))
	if probe {
		return sdk.Peer{}, stream.ErrProbe
	}
	return sdk.Peer{Scope: scope, UID: uid, PID: pid}, err
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
	_, unsent := c.Write(appendHello(nil, stream.AppendScope(nil, own)))
	payload, err := readHello(c)
	if err != nil {
		if unsent != nil && sdk.CodeOf(err) == 0 && !errors.Is(err, errForeign) {
			err = unsent
		}
		return sdk.Peer{UID: uid, PID: pid}, err
	}
	if len(payload) < 4 {
		return sdk.Peer{}, stream.ErrDamaged("hello")
	}
	if code := binary.BigEndian.Uint32(payload); code != 0 {
		return sdk.Peer{UID: uid, PID: pid}, refusal(code, string(payload[4:]))
	}
	scope, err := stream.DecodeScope(payload[4:])
	if err == nil && own.Workspace != stream.ProbeWorkspace {
		err = stream.Admit(scope, own)
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
