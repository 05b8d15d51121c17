package lease

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/ramet-io/ramet/sdk"
)

const (
	defaultTTL = 3 * time.Second
	minTTL     = 300 * time.Millisecond // five beats of 60 ms: below, ordinary scheduling looks like death
)

type options struct {
	ttl         time.Duration
	allowUnsafe bool
}

// parseOptions reads a JSON object; empty means all defaults.
func parseOptions(raw []byte) (options, error) {
	o := options{ttl: defaultTTL}
	if len(bytes.TrimSpace(raw)) == 0 {
		return o, nil
	}
	var in struct {
		TTL         *string `json:"ttl"`
		AllowUnsafe *bool   `json:"allow_unsafe_filesystem"`
	}
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&in); err != nil {
		return o, fmt.Errorf("%w: options of failover-lease: %v; known are ttl and allow_unsafe_filesystem", sdk.ErrInvalid, err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return o, fmt.Errorf("%w: options of failover-lease: text after the JSON object; remove it", sdk.ErrInvalid)
	}
	if in.TTL != nil {
		d, err := time.ParseDuration(*in.TTL)
		if err != nil {
			return o, fmt.Errorf("%w: option ttl of failover-lease is %q; write it like \"3s\"", sdk.ErrInvalid, *in.TTL)
		}
		o.ttl = d
	}
	if in.AllowUnsafe != nil {
		o.allowUnsafe = *in.AllowUnsafe
	}
	return o, checkTTL(o.ttl)
}

func checkTTL(d time.Duration) error {
	if d < minTTL {
		return fmt.Errorf("%w: a ttl of %v is too short for failover-lease; use at least %v", sdk.ErrInvalid, d, minTTL)
	}
	return nil
}
