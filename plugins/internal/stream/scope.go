package stream

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/ramet-io/ramet/sdk"
)

// ProbeWorkspace asks a server only who it is.
const ProbeWorkspace = "?"

// ErrProbe is for a peer that only asked who we are.
var ErrProbe = errors.New("a probe")

// MaxScope is the largest scope that handshakes carry.
const MaxScope = 8 << 10

// AppendScope appends s without its secret.
func AppendScope(b []byte, s sdk.Scope) []byte {
	b = binary.BigEndian.AppendUint64(b, s.Epoch)
	b = binary.BigEndian.AppendUint64(b, uint64(s.PID))
	for _, text := range []string{s.Workspace, s.Instance, s.Incarnation, string(s.Role), s.Fingerprint} {
		b = AppendText(b, text)
	}
	return b
}

// DecodeScope reads what AppendScope wrote. Bytes after the fields it knows are
// ignored.
func DecodeScope(p []byte) (sdk.Scope, error) {
	if len(p) < 16 {
		return sdk.Scope{}, ErrDamaged("hello")
	}
	s := sdk.Scope{Epoch: binary.BigEndian.Uint64(p), PID: int(int64(binary.BigEndian.Uint64(p[8:])))}
	p = p[16:]
	var role string
	for _, field := range []*string{&s.Workspace, &s.Instance, &s.Incarnation, &role, &s.Fingerprint} {
		var ok bool
		if *field, p, ok = TakeText(p); !ok {
			return sdk.Scope{}, ErrDamaged("hello")
		}
	}
	s.Role = sdk.Role(role)
	return s, nil
}

// CheckScope refuses a scope that no handshake can carry.
func CheckScope(s sdk.Scope) error {
	const fixed = 16 + 5*2
	if n := fixed + len(s.Workspace) + len(s.Instance) + len(s.Incarnation) + len(s.Role) + len(s.Fingerprint); n > MaxScope-4 {
		return fmt.Errorf("%w: the scope has %d bytes, the limit is %d; shorten the instance's name", sdk.ErrInvalid, n, MaxScope-4)
	}
	if s.Workspace == "" {
		return fmt.Errorf("%w: the scope names no workspace", sdk.ErrInvalid)
	}
	return nil
}

// Admit says whether a server with scope own takes a client with scope s.
func Admit(own, s sdk.Scope) error {
	if s.Workspace != own.Workspace {
		return &Refusal{CountScope, fmt.Errorf("%w: workspace %s is served here, not %s", sdk.ErrInvalid, own.Workspace, s.Workspace)}
	}
	if s.Epoch > own.Epoch {
		return &Refusal{CountScope, fmt.Errorf("%w: epoch %d is served here, at least %d is wanted", sdk.ErrFenced, own.Epoch, s.Epoch)}
	}
	return nil
}

// HolderOf describes a living listener to the one that wanted its place: peer and
// err are what a probe gave.
func HolderOf(peer sdk.Peer, err error) sdk.Record {
	r := sdk.Record{PID: peer.PID, Instance: "an unknown program", Program: "it gave no name"}
	if sdk.CodeOf(err) != 0 {
		r.Instance, r.Program = "a ramet instance", "ramet"
	}
	if err == nil {
		s := peer.Scope
		r = sdk.Record{Instance: s.Instance, Incarnation: s.Incarnation, PID: s.PID, Epoch: s.Epoch, Workspace: s.Workspace}
	}
	return r
}
