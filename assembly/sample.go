package assembly

import (
	"bytes"
	"fmt"
	"path"
	"path/filepath"
	"text/tabwriter"

	"github.com/ramet-io/ramet/kernel"
	"github.com/ramet-io/ramet/sdk"
)

// Sample returns a commented assembly of plugins that is in order as it is, with
// automatic failover on. programs is the directory of their programs, each named
// after its plugin, absolute or relative to the file; "": they are linked in.
func Sample(plugins []sdk.Plugin, programs string) []byte {
	var b bytes.Buffer
	b.WriteString(sampleHead)
	b.WriteString("kernel {\n  failover = \"auto\" # take over when the primary is lost; \"off\": never\n\n")
	comments(&b, [][3]string{
		{"durability", literal(string(sdk.DurabilityFull)), `"process": outlives killed processes, not a power loss`},
		{"on_lock_error", literal(string(kernel.LockErrorWork)), `"fail": do not start if the lock does not work at all`},
		{"data", `"app.db"`, "the database, relative to this file; default: <workdir>/.ramet/ramet.db"},
		{"ttl", `"3s"`, "without a sign of life for so long a stopped primary is displaced; default: the lock's"},
		{"call_timeout", literal(kernel.DefaultCallTimeout.String()), "of calls without a deadline"},
		{"start_timeout", literal(kernel.DefaultStartTimeout.String()), "of joining the workspace"},
		{"tx_idle", literal(kernel.DefaultTxIdle.String()), "longest pause inside a transaction"},
		{"tx_total", literal(kernel.DefaultTxTotal.String()), "longest transaction"},
		{"change_log", "true", "false: no change feed"},
		{"change_retention", "100000", "changes kept; default: the store's"},
	})
	b.WriteString("}\n")
	for _, p := range plugins {
		info := p.Describe()
		fmt.Fprintf(&b, "\n# Serves %s.\nplugin %s {\n", words(info.Stages), literal(info.Name))
		if programs != "" {
			fmt.Fprintf(&b, "  path = %s\n\n", literal(path.Join(filepath.ToSlash(programs), info.Name)))
			comments(&b, [][3]string{
				{"args", "[]", "arguments of the program"},
				{"env", `["HOME"]`, "variables it may see; default: none"},
				{"start_timeout", `"10s"`, "from its start to its first answer"},
				{"unlocked", "true", "run it without a checksum, for development only"},
			})
		}
		fmt.Fprintf(&b, "  # restart { # when it fails\n  #   max     = %d # times\n  #   per     = %s\n  #   backoff = %s # the first pause\n  # }\n",
			kernel.DefaultRestartMax, literal(kernel.DefaultRestartPer.String()), literal(kernel.DefaultRestartBackoff.String()))
		sampleOptions(&b, info.Options)
		b.WriteString("}\n")
	}
	return b.Bytes()
}

const sampleHead = `# An assembly of ramet: which plugin serves which stage, and how.
#
#   ramet validate                        checks this file
#   ramet run --assembly ramet.hcl        uses it; so does RAMET_ASSEMBLY=ramet.hcl
#   ramet plugin info store-sqlite        shows what a plugin can do
#
# Keys that are commented out show their defaults, or an example. docs/assembly.md
# explains each one.

`

// sampleOptions adds a plugin's options as comments, or as keys if they are required.
func sampleOptions(b *bytes.Buffer, options []sdk.Option) {
	if len(options) == 0 {
		return
	}
	b.WriteString("\n  options {\n")
	for _, o := range options {
		value := o.Default
		switch {
		case o.Type == sdk.OptionString || o.Type == sdk.OptionDuration:
			value = literal(value)
		case value == "" && o.Type == sdk.OptionInt:
			value = "0"
		case value == "":
			value = "false"
		}
		mark := "# "
		if o.Required {
			mark = ""
		}
		fmt.Fprintf(b, "    # %s\n    %s%s = %s\n", clean(o.Doc), mark, o.Name, value)
	}
	b.WriteString("  }\n")
}

// comments adds aligned keys that are commented out: name, value, explanation.
func comments(b *bytes.Buffer, keys [][3]string) {
	t := tabwriter.NewWriter(b, 0, 0, 1, ' ', 0)
	for _, k := range keys {
		fmt.Fprintf(t, "  # %s\t= %s\t# %s\n", k[0], k[1], k[2])
	}
	t.Flush()
}
