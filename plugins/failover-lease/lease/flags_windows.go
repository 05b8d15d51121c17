package lease

const (
	openFlags  = 0
	quietFlags = 0
)
