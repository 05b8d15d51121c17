package forward

import "github.com/ramet-io/ramet/sdk"

// maxVerdicts bounds the memory of a verdicts; far more than can be under way.
const maxVerdicts = 4096

// verdicts remembers which writes were declared not applied, with what error.
//
// The store records applied writes only. So without this a write that was sent
// twice (its link broke, the same primary was dialled again) could fail in the
// second copy, be reported as failed, and then be applied by the first one, which
// had lain in a socket's buffer. Memory is enough: a copy can only come late to
// the writer it was sent to, and a later writer has a higher epoch.
type verdicts struct {
	errs  map[sdk.WriteID]error
	order []sdk.WriteID // ring of at most maxVerdicts
	next  int
}

func newVerdicts() *verdicts { return &verdicts{errs: make(map[sdk.WriteID]error)} }

// of returns the error with which id was declared not applied, or nil.
func (v *verdicts) of(id sdk.WriteID) error {
	if id.Sequence == 0 || len(v.errs) == 0 {
		return nil
	}
	return v.errs[id]
}

func (v *verdicts) add(id sdk.WriteID, err error) {
	if id.Sequence == 0 {
		return
	}
	if _, known := v.errs[id]; !known {
		if len(v.order) < maxVerdicts {
			v.order = append(v.order, id)
		} else {
			delete(v.errs, v.order[v.next])
			v.order[v.next] = id
			v.next = (v.next + 1) % maxVerdicts
		}
	}
	v.errs[id] = err
}
