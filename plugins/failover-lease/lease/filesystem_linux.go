package lease

import (
	"fmt"

	"github.com/ramet-io/ramet/sdk"
	"golang.org/x/sys/unix"
)

// unsafeFilesystems are those where flock succeeds on two machines at once, or
// is answered without asking the server.
var unsafeFilesystems = map[uint32]string{
	0x6969:     "NFS",
	0x517b:     "SMB",
	0xff534d42: "CIFS",
	0xfe534d42: "SMB2",
	0x01021997: "9p",
	0x65735546: "FUSE",
}

const overlayMagic = 0x794c7630

// checkFilesystem refuses file systems whose locks do not hold. The note is for
// the log, when the place is usable but worth a word.
func checkFilesystem(dir string, allowUnsafe bool) (note string, err error) {
	var st unix.Statfs_t
	if err := retryEINTR(func() error { return unix.Statfs(dir, &st) }); err != nil {
		return "", fmt.Errorf("%w: statfs %s: %v", sdk.ErrUnavailable, dir, err)
	}
	return judgeFilesystem(uint32(st.Type), dir, allowUnsafe)
}

func judgeFilesystem(magic uint32, dir string, allowUnsafe bool) (note string, err error) {
	name, unsafe := unsafeFilesystems[magic]
	switch {
	case unsafe && !allowUnsafe:
		return "", fmt.Errorf("%w: state directory %s is on %s, where file locks do not hold; use a local disk, or set allow_unsafe_filesystem of failover-lease if one machine only uses it",
			sdk.ErrInvalid, dir, name)
	case unsafe:
		return "the state directory is on " + name + ", where file locks may not hold (allow_unsafe_filesystem is set)", nil
	case magic == overlayMagic:
		return "the state directory is on overlayfs: its locks hold inside this container only", nil
	}
	return "", nil
}
