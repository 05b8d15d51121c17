package wire

import "github.com/ramet-io/ramet/sdk"

// AppendEvidence appends e.
func AppendEvidence(b []byte, e sdk.Evidence) []byte {
	b = appendDuration(b, 1, e.TTL)
	b = appendInt(b, 2, e.Missed)
	b = appendBool(b, 3, e.Late)
	b = appendBool(b, 4, e.LinkUp)
	b = appendBool(b, 5, e.Goodbye)
	b = appendUint(b, 6, e.Process)
	b = appendBool(b, 7, e.Probed)
	b = appendBool(b, 8, e.ProbeOK)
	return appendBool(b, 9, e.LockIsOurs)
}

// DecodeEvidence reads what AppendEvidence wrote.
func DecodeEvidence(b []byte) (sdk.Evidence, error) {
	var v sdk.Evidence
	r := reader{what: "Evidence", rest: b}
	for r.next() {
		switch r.num {
		case 1:
			v.TTL = r.duration()
		case 2:
			v.Missed = r.int()
		case 3:
			v.Late = r.bool()
		case 4:
			v.LinkUp = r.bool()
		case 5:
			v.Goodbye = r.bool()
		case 6:
			v.Process = sdk.Liveness(r.small())
		case 7:
			v.Probed = r.bool()
		case 8:
			v.ProbeOK = r.bool()
		case 9:
			v.LockIsOurs = r.bool()
		}
	}
	return finish(&r, v)
}

// AppendJudgement appends j.
func AppendJudgement(b []byte, j sdk.Judgement) []byte {
	b = appendUint(b, 1, j.Verdict)
	b = appendText(b, 2, j.Reason)
	return appendDuration(b, 3, j.Recheck)
}

// DecodeJudgement reads what AppendJudgement wrote.
func DecodeJudgement(b []byte) (sdk.Judgement, error) {
	var v sdk.Judgement
	r := reader{what: "Judgement", rest: b}
	for r.next() {
		switch r.num {
		case 1:
			v.Verdict = sdk.Verdict(r.small())
		case 2:
			v.Reason = r.text()
		case 3:
			v.Recheck = r.duration()
		}
	}
	return finish(&r, v)
}
