package sdk

// Role is the part an instance plays at the moment. It is advisory: only the
// store's epoch check decides who may write.
type Role string

// The roles. The zero value means that the instance has no role yet or none any
// more: it is starting, between roles, or closed.
const (
	Primary   Role = "primary"
	Secondary Role = "secondary"
)
