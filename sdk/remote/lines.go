package remote

import "bytes"

// lineWriter gives what a plugin printed through go-plugin's standard streams to
// the log.
type lineWriter struct {
	logs *logs
	from string
}

func (w lineWriter) Write(p []byte) (int, error) {
	for line := range bytes.Lines(p) {
		if line = bytes.TrimRight(line, "\r\n"); len(line) > 0 {
			w.logs.plain(w.from, line)
		}
	}
	return len(p), nil
}
