package remote

import (
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
)

// reportPanic is deferred around what a plugin's author wrote. A panic ends the
// process, as it would end a program that has the plugin linked in, after a report
// that the host turns into one entry of its log.
func reportPanic(r *request) {
	v := recover()
	if v == nil {
		return
	}
	p := panicReport{Value: fmt.Sprint(v), Stack: string(debug.Stack()), Operation: "Plugin.Open"}
	if r != nil {
		p.Stage, p.Operation = r.op.stage(), r.op.String()
	}
	if len(p.Stack) > lineBytes/4 { // the line must not become too long to be read
		p.Stack = p.Stack[:lineBytes/4]
	}
	if len(p.Value) > 1024 {
		p.Value = p.Value[:1024]
	}
	line, _ := json.Marshal(p)
	fmt.Fprintf(os.Stderr, "%s\n", line)
	os.Exit(2)
}
