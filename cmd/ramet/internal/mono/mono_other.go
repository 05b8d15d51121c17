//go:build !linux && !darwin

package mono

import "time"

func now() time.Duration { return time.Duration(time.Now().UnixNano()) }
