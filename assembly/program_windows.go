package assembly

import "io/fs"

const executableSuffix = ".exe"

// mayExecute finds nothing wrong: the system goes by the name.
func mayExecute(string, fs.FileInfo) error { return nil }

// exposed finds nothing wrong: access lists are not read here.
func exposed(string) error { return nil }
