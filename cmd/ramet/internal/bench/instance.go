package bench

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/ramet-io/ramet/kernel"
	"github.com/ramet-io/ramet/plugins/bundled"
)

func config(dir string) kernel.Config {
	return kernel.Config{Workdir: dir, Plugins: bundled.All()}
}

// dataOf keeps an assembly from leading to a database of its user.
func dataOf(file, dir string) string {
	if file == "" {
		return "" // the default is below dir
	}
	return filepath.Join(dir, "bench.db")
}

// other is a "ramet run" in another process.
type other struct {
	cmd *exec.Cmd
	out io.ReadCloser
}

// startOther joins dir from another process and returns when that is primary.
func startOther(ctx context.Context, file, dir string) (*other, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	o := &other{cmd: exec.CommandContext(ctx, program, "run", "--workdir", dir, "--assembly", file, "--data", dataOf(file, dir))}
	if o.out, err = o.cmd.StdoutPipe(); err != nil {
		return nil, err
	}
	if err := o.cmd.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(o.out)
	for lines.Scan() {
		if strings.Contains(lines.Text(), " is primary") {
			return o, nil
		}
	}
	o.end()
	return nil, fmt.Errorf("the other process did not become primary")
}

// end kills the process: the workspace is thrown away.
func (o *other) end() {
	o.cmd.Process.Kill()
	o.cmd.Wait()
}
