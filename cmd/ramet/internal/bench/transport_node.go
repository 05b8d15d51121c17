package bench

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/go-zeromq/zmq4"

	"github.com/ramet-io/ramet/sdk"
)

// TransportNode serves one kind of transport: it prints where, echoes calls and
// publishes what it is told to, until its input ends.
func TransportNode(ctx context.Context, kind, dir string, in io.Reader, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if strings.HasPrefix(kind, "bare") {
		return bareNode(ctx, kind, dir, in, out)
	}
	run, err := pluginOf(ctx, kind)
	if err != nil {
		return err
	}
	sets, err := run.Ports().Candidates(ctx, sdk.Workspace{Key: strings.ReplaceAll(dir+kind, " ", "-")})
	if err != nil {
		return err
	}
	h := &echoHandler{}
	for _, set := range sets {
		h.server, err = run.Transport().Serve(ctx, transportScope(sdk.Primary), set, h)
		if !errors.Is(err, sdk.ErrHeld) {
			break
		}
	}
	if err != nil {
		return err
	}
	fmt.Fprintln(out, h.server.Bound()[0])
	_, _ = io.Copy(io.Discard, in)
	return run.Close(ctx)
}

// echoHandler answers a call with its own body.
type echoHandler struct{ server sdk.Server }

func (h *echoHandler) Handle(ctx context.Context, _ sdk.Peer, m sdk.Message) ([]byte, error) {
	if m.Op != "flood" {
		return m.Body, nil
	}
	body := make([]byte, transportBytes)
	return nil, pace(m.Body, func() error { return h.server.Publish(ctx, sdk.Event{Topic: "t", Body: body}) })
}

func (*echoHandler) Published(context.Context, sdk.Peer, sdk.Event) {}
func (*echoHandler) Ended(sdk.Peer)                                 {}

// pace publishes as question says.
func pace(order []byte, publish func() error) error {
	rate, n := int(binary.BigEndian.Uint64(order)), int(binary.BigEndian.Uint64(order[8:]))
	began := time.Now()
	for done := 0; done < n; {
		upto := n
		if rate > 0 {
			upto = min(n, 1+int(time.Since(began).Seconds()*float64(rate)))
		}
		for ; done < upto; done++ {
			if err := publish(); err != nil {
				return err
			}
		}
		if done < n {
			time.Sleep(time.Millisecond)
		}
	}
	return nil
}

func bareNode(ctx context.Context, kind, dir string, in io.Reader, out io.Writer) error {
	router, pub := zmq4.NewRouter(ctx), zmq4.NewPub(ctx)
	at, events := socketsOf(kind, dir)
	if err := errors.Join(router.Listen(at), pub.Listen(events)); err != nil {
		return err
	}
	if kind == "bare tcp" {
		at, events = "tcp://"+router.Addr().String(), "tcp://"+pub.Addr().String()
	}
	fmt.Fprintln(out, at, events)
	go serveBare(router, pub) // ends with the process; see bare.count
	_, err := io.Copy(io.Discard, in)
	return err
}

func serveBare(router, pub zmq4.Socket) {
	event := zmq4.NewMsg(make([]byte, transportBytes))
	for {
		m, err := router.Recv()
		if err != nil {
			return
		}
		if body, ok := strings.CutPrefix(string(m.Frames[1]), "flod"); ok {
			_ = pace([]byte(body), func() error { return pub.Send(event) })
		}
		if router.Send(m) != nil {
			return
		}
	}
}
