package zmq

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/go-zeromq/zmq4"
	"github.com/go-zeromq/zmq4/security/null"

	"github.com/ramet-io/ramet/plugins/internal/stream"
	"github.com/ramet-io/ramet/sdk"
)

// The handshake proves each side to the other by the workspace's secret, in four
// messages after those of ZMTP:
//
//	client  hello:     magic(8) version(2) nonce(32)
//	server  challenge: magic(8) version(2) nonce(32) proof(32)
//	client  claim:     size(2) scope proof(32)
//	server  welcome:   code(4) size(2) scope-or-reason proof(32)
//
// A proof is a MAC, with the secret as key, over a label, all messages before and
// this one up to the proof. So neither side learns of the other more than that it
// exists before it has proved itself, nothing can be replayed (both nonces are new),
// and none of the proofs serves as another. The first ten bytes keep their meaning in
// every version.
const (
	magic      = "RAMETzmq"
	version    = 1
	nonceBytes = 32
	proofBytes = sha256.Size
	helloBytes = len(magic) + 2 + nonceBytes
	maxHello   = stream.MaxScope
)

// The labels; none begins another.
const (
	labelChallenge = "ramet zmq 1 challenge"
	labelClaim     = "ramet zmq 1 claim"
	labelWelcome   = "ramet zmq 1 welcome"
	labelToServer  = "ramet zmq 1 to server"
	labelToClient  = "ramet zmq 1 to client"
)

// exchange is one side's view of a handshake.
type exchange struct {
	guard  *guard
	zmtp   *zmq4.Conn
	secret []byte
	said   []byte // all messages so far, one after the other
}

// open does the handshake of ZMTP. Only connections of zmq4 are used, none of its
// sockets: those accept one connection after the other, lock all peers for the sake
// of one that does not read, and leave goroutines behind.
func open(c stream.Conn, own, peer zmq4.SocketType, secret []byte) (*exchange, error) {
	g := newGuard(c, string(peer))
	z, err := zmq4.Open(g, null.Security(), own, nil, own == zmq4.Router, nil)
	if err != nil {
		return nil, err
	}
	return &exchange{guard: g, zmtp: z, secret: secret}, nil
}

func (x *exchange) mac(label string, more []byte) []byte {
	h := hmac.New(sha256.New, x.secret)
	h.Write([]byte(label))
	h.Write(x.said)
	h.Write(more)
	return h.Sum(nil)
}

func (x *exchange) send(m []byte) error {
	x.said = append(x.said, m...)
	return x.zmtp.SendMsg(zmq4.NewMsg(m))
}

// sendProved sends m followed by its proof.
func (x *exchange) sendProved(label string, m []byte) error {
	return x.send(append(m, x.mac(label, m)...))
}

func (x *exchange) receive() ([]byte, error) { return receive(x.zmtp) }

// receiveHello reads a hello or, with its proof behind, a challenge.
func (x *exchange) receiveHello(more int) ([]byte, error) {
	m, err := x.receive()
	if err != nil {
		return nil, err
	}
	if len(m) < len(magic)+2 || string(m[:len(magic)]) != magic {
		return nil, foreign("a message that is no hello of ours first")
	}
	if v := binary.BigEndian.Uint16(m[len(magic):]); v != version {
		return nil, fmt.Errorf("%w: the peer speaks version %d of the zmq protocol, we speak %d; use the same ramet version on both sides",
			sdk.ErrIncompatible, v, version)
	}
	if len(m) != helloBytes+more {
		return nil, foreign("a hello of %d bytes", len(m))
	}
	return m, nil
}

// proved splits a message with a proof and remembers it; ok tells whether the proof
// is right.
func (x *exchange) proved(label string, m []byte) (content []byte, ok bool) {
	if len(m) < proofBytes {
		return nil, false
	}
	content, proof := m[:len(m)-proofBytes], m[len(m)-proofBytes:]
	ok = hmac.Equal(proof, x.mac(label, content))
	x.said = append(x.said, m...)
	return content, ok
}

func hello() []byte {
	b := binary.BigEndian.AppendUint16([]byte(magic), version)
	nonce := make([]byte, nonceBytes)
	rand.Read(nonce) // never fails, see package crypto/rand
	return append(b, nonce...)
}

// answer is the server's side of the handshake; see [stream.Answer].
func answer(c stream.Conn, own sdk.Scope, sealed bool) (stream.Codec, sdk.Peer, error) {
	x, err := open(c, zmq4.Router, zmq4.Dealer, own.Secret)
	if err != nil {
		return nil, sdk.Peer{}, err
	}
	first, err := x.receiveHello(0)
	if err != nil {
		x.refuse(err)
		return nil, sdk.Peer{}, err
	}
	x.said = first
	if err := x.sendProved(labelChallenge, hello()); err != nil {
		return nil, sdk.Peer{}, err
	}
	peer, err := x.takeClaim()
	probe := err == nil && peer.Scope.Workspace == stream.ProbeWorkspace
	if err == nil && !probe {
		err = stream.Admit(own, peer.Scope)
	}
	if err != nil {
		x.refuse(err)
		return nil, peer, err
	}
	if err := x.welcome(0, stream.AppendScope(nil, own)); err != nil {
		return nil, peer, err
	}
	if probe {
		return nil, peer, stream.ErrProbe
	}
	in, out := x.seals(sealed, labelToServer, labelToClient)
	return newCodec(x.guard, x.zmtp, in, out), peer, nil
}

// takeClaim reads who the client is, and believes it if the proof is right.
func (x *exchange) takeClaim() (sdk.Peer, error) {
	m, err := x.receive()
	if err != nil {
		return sdk.Peer{}, err
	}
	content, ok := x.proved(labelClaim, m)
	if !ok {
		return sdk.Peer{}, &stream.Refusal{Counter: stream.CountProof, Err: fmt.Errorf(
			"%w: the peer did not prove that it has the workspace's secret", sdk.ErrInvalid)}
	}
	text, _, ok := stream.TakeText(content)
	if !ok {
		return sdk.Peer{}, stream.ErrDamaged("claim")
	}
	scope, err := stream.DecodeScope([]byte(text))
	return sdk.Peer{Scope: scope, UID: -1}, err
}

func (x *exchange) welcome(code sdk.Code, text []byte) error {
	b := binary.BigEndian.AppendUint32(nil, uint32(code))
	return x.sendProved(labelWelcome, stream.AppendText(b, string(text)))
}

// parting is how long a refused client may take to read why.
const parting = 500 * time.Millisecond

// refuse tells the client why, as far as there is something to tell, and leaves it to
// the client to end the connection: libzmq drops what it has not handed out when the
// other side does.
func (x *exchange) refuse(err error) {
	code, text := sdk.CodeOf(err), err.Error()
	if code == 0 || x.welcome(code, []byte(text[:min(len(text), 512)])) != nil {
		return
	}
	_ = x.guard.SetDeadline(time.Now().Add(parting))
	_, _ = io.Copy(io.Discard, x.guard.Conn)
}

// introduce is the client's side of the handshake.
func introduce(c stream.Conn, own sdk.Scope, sealed bool) (stream.Codec, sdk.Peer, error) {
	x, err := open(c, zmq4.Dealer, zmq4.Router, own.Secret)
	if err != nil {
		return nil, sdk.Peer{}, err
	}
	return x.introduce(own, sealed)
}

func (x *exchange) introduce(own sdk.Scope, sealed bool) (stream.Codec, sdk.Peer, error) {
	if err := x.send(hello()); err != nil {
		return nil, sdk.Peer{}, err
	}
	m, err := x.receiveHello(proofBytes)
	if err != nil {
		return nil, sdk.Peer{}, err
	}
	if _, ok := x.proved(labelChallenge, m); !ok {
		return nil, sdk.Peer{}, fmt.Errorf("%w: what answers there did not prove that it has this workspace's secret: "+
			"another workspace, or another program", sdk.ErrInvalid)
	}
	if err := x.sendProved(labelClaim, stream.AppendText(nil, string(stream.AppendScope(nil, own)))); err != nil {
		return nil, sdk.Peer{}, err
	}
	peer, err := x.takeWelcome()
	if err == nil && own.Workspace != stream.ProbeWorkspace {
		err = stream.Admit(peer.Scope, own)
	}
	if err != nil {
		return nil, peer, err
	}
	in, out := x.seals(sealed, labelToClient, labelToServer)
	return newCodec(x.guard, x.zmtp, in, out), peer, nil
}

// takeWelcome reads who the server is, or why it refuses us.
func (x *exchange) takeWelcome() (sdk.Peer, error) {
	m, err := x.receive()
	if err != nil {
		return sdk.Peer{}, err
	}
	content, ok := x.proved(labelWelcome, m)
	if !ok || len(content) < 4 {
		return sdk.Peer{}, fmt.Errorf("%w: the server's welcome was not sent by who has the secret", sdk.ErrInvalid)
	}
	text, _, ok := stream.TakeText(content[4:])
	if !ok {
		return sdk.Peer{}, stream.ErrDamaged("welcome")
	}
	if code := binary.BigEndian.Uint32(content); code != 0 {
		kind := sdk.KindOf(sdk.Code(code))
		if kind == nil {
			kind = sdk.ErrIncompatible
		}
		return sdk.Peer{}, fmt.Errorf("%w: the server refused: %q", kind, text)
	}
	scope, err := stream.DecodeScope([]byte(text))
	return sdk.Peer{Scope: scope, UID: -1}, err
}

// seals returns those of the two directions, with keys of this session only.
func (x *exchange) seals(sealed bool, in, out string) (*seal, *seal) {
	if !sealed {
		return nil, nil
	}
	return newSeal(x.mac(in, nil)), newSeal(x.mac(out, nil))
}
