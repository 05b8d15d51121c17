package assembly

import (
	"cmp"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/ramet-io/ramet/kernel"
	"github.com/ramet-io/ramet/sdk"
)

// kernelKeys says, for each key of the kernel block, what it sets. The value nil
// means that the key's value was wrong and a fault was added.
var kernelKeys = map[string]func(*file, *hcl.Attribute) func(*kernel.Config){
	"failover": word(func(c *kernel.Config, v string) { c.Failover = v == "auto" }, "auto", "off"),
	"durability": word(func(c *kernel.Config, v string) { c.Durability = sdk.Durability(v) },
		string(sdk.DurabilityFull), string(sdk.DurabilityProcess)),
	"on_lock_error": word(func(c *kernel.Config, v string) { c.OnLockError = kernel.LockErrorPolicy(v) },
		string(kernel.LockErrorWork), string(kernel.LockErrorFail)),
	"ttl":           span(func(c *kernel.Config, d time.Duration) { c.TTL = d }),
	"call_timeout":  span(func(c *kernel.Config, d time.Duration) { c.CallTimeout = d }),
	"start_timeout": span(func(c *kernel.Config, d time.Duration) { c.StartTimeout = d }),
	"tx_idle":       span(func(c *kernel.Config, d time.Duration) { c.TxIdle = d }),
	"tx_total":      span(func(c *kernel.Config, d time.Duration) { c.TxTotal = d }),
	"data": func(f *file, a *hcl.Attribute) func(*kernel.Config) {
		path, ok := f.string(a)
		if ok && path == "" {
			fault := f.at(a.Expr.Range(), "data is empty")
			fault.Fix = "name the database file, or remove the key"
			f.add(fault)
		}
		if path = filepath.FromSlash(path); !filepath.IsAbs(path) {
			path = filepath.Join(f.dir, path)
		}
		return func(c *kernel.Config) { c.DataPath = path }
	},
	"change_log": func(f *file, a *hcl.Attribute) func(*kernel.Config) {
		on, _ := f.bool(a)
		return func(c *kernel.Config) { c.NoChangeLog = !on }
	},
	"change_retention": func(f *file, a *hcl.Attribute) func(*kernel.Config) {
		n, _ := f.count(a)
		return func(c *kernel.Config) { c.ChangeRetention = n }
	},
}

func word(set func(*kernel.Config, string), words ...string) func(*file, *hcl.Attribute) func(*kernel.Config) {
	return func(f *file, a *hcl.Attribute) func(*kernel.Config) {
		v, _ := f.choice(a, words...)
		return func(c *kernel.Config) { set(c, v) }
	}
}

func span(set func(*kernel.Config, time.Duration)) func(*file, *hcl.Attribute) func(*kernel.Config) {
	return func(f *file, a *hcl.Attribute) func(*kernel.Config) {
		d, _ := f.duration(a, time.Millisecond)
		return func(c *kernel.Config) { set(c, d) }
	}
}

// readKernel reads the kernel block.
func (f *file) readKernel(b *hcl.Block) {
	if b == nil {
		return
	}
	schema := &hcl.BodySchema{}
	names := slices.Sorted(maps.Keys(kernelKeys))
	for _, name := range names {
		schema.Attributes = append(schema.Attributes, hcl.AttributeSchema{Name: name})
	}
	keys := f.content(b.Body, schema, "kernel").Attributes
	for _, name := range names {
		if a := keys[name]; a != nil {
			f.settings = append(f.settings, kernelKeys[name](f, a))
		}
	}
	f.ttl = keys["ttl"]
	f.checkTx(keys)
}

// checkTx finds a pause inside a transaction that may be longer than the
// transaction.
func (f *file) checkTx(keys hcl.Attributes) {
	c := f.kernel()
	idle, total := cmp.Or(c.TxIdle, kernel.DefaultTxIdle), cmp.Or(c.TxTotal, kernel.DefaultTxTotal)
	at := cmp.Or(keys["tx_idle"], keys["tx_total"])
	if at == nil || idle <= total {
		return
	}
	fault := f.at(at.Expr.Range(), "tx_idle and tx_total contradict each other")
	fault.Cause = fmt.Sprintf("a transaction may pause for %v but last for %v only", idle, total)
	fault.Fix = "make tx_idle the shorter one"
	f.add(fault)
}

// kernel returns what the kernel block says.
func (f *file) kernel() (c kernel.Config) {
	for _, set := range f.settings {
		set(&c)
	}
	return c
}
