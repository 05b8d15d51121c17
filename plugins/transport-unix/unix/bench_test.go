package unix

import (
	"context"
	"io"
	"net"
	"path/filepath"
	"testing"

	"github.com/ramet-io/ramet/plugins/internal/sockfile"
	"github.com/ramet-io/ramet/plugins/internal/stream"
	"github.com/ramet-io/ramet/sdk"
)

const benchBytes = 200

// BenchmarkRawSocket is the floor: one round trip on a bare socket.
func BenchmarkRawSocket(b *testing.B) {
	path := filepath.Join(privateDir(b), "raw")
	ln, err := net.Listen("unix", path)
	if err != nil {
		b.Fatal(err)
	}
	defer ln.Close()
	go func() { // ends with the client's connection
		c, err := ln.Accept()
		if err != nil {
			return
		}
		defer c.Close()
		buf := make([]byte, benchBytes)
		for {
			if _, err := io.ReadFull(c, buf); err != nil {
				return
			}
			if _, err := c.Write(buf); err != nil {
				return
			}
		}
	}()
	c, err := net.Dial("unix", path)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	buf := make([]byte, benchBytes)
	for b.Loop() {
		if _, err := c.Write(buf); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(c, buf); err != nil {
			b.Fatal(err)
		}
	}
}

func benchLink(b *testing.B) sdk.Link {
	ctx := testCtx(b)
	tr := openAt(b, stream.DefaultLimits()).Transport()
	at := []sdk.Endpoint{sockfile.Endpoint(Scheme, filepath.Join(privateDir(b), "s0"))}
	if _, err := tr.Serve(ctx, sdk.Scope{Workspace: "w"}, at, echo{}); err != nil {
		b.Fatal(err)
	}
	l, err := tr.Dial(ctx, sdk.Scope{Workspace: "w"}, at)
	if err != nil {
		b.Fatal(err)
	}
	return l
}

// BenchmarkCall is one caller.
func BenchmarkCall(b *testing.B) {
	l := benchLink(b)
	m := sdk.Message{Op: "x", Body: make([]byte, benchBytes)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := l.Call(context.Background(), m); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCall64 is 64 callers on one link.
func BenchmarkCall64(b *testing.B) {
	l := benchLink(b)
	m := sdk.Message{Op: "x", Body: make([]byte, benchBytes)}
	b.SetParallelism(32)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := l.Call(context.Background(), m); err != nil {
				b.Error(err)
				return
			}
		}
	})
}
