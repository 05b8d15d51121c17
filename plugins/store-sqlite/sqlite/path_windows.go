//go:build windows

package sqlite

import (
	"fmt"
	"syscall"
)

// identify returns the volume's serial number and the file's index. It asks for
// no access to the content, and locks of Windows belong to a handle, so it does
// not disturb SQLite.
func identify(path string) (fileID, error) {
	name, err := syscall.UTF16PtrFromString(path)
	if err != nil {
		return fileID{}, err
	}
	const share = syscall.FILE_SHARE_READ | syscall.FILE_SHARE_WRITE | syscall.FILE_SHARE_DELETE
	h, err := syscall.CreateFile(name, 0, share, nil, syscall.OPEN_EXISTING, syscall.FILE_FLAG_BACKUP_SEMANTICS, 0)
	if err != nil {
		return fileID{}, fmt.Errorf("identify %s: %w", path, err)
	}
	defer syscall.CloseHandle(h)
	var info syscall.ByHandleFileInformation
	if err := syscall.GetFileInformationByHandle(h, &info); err != nil {
		return fileID{}, fmt.Errorf("identify %s: %w", path, err)
	}
	return fileID{
		device: uint64(info.VolumeSerialNumber),
		node:   uint64(info.FileIndexHigh)<<32 | uint64(info.FileIndexLow),
		links:  uint64(info.NumberOfLinks),
	}, nil
}
