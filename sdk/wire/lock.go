package wire

import "github.com/ramet-io/ramet/sdk"

// AppendClaim appends c.
func AppendClaim(b []byte, c sdk.Claim) []byte {
	b = appendSub(b, 1, c.Record, AppendRecord)
	b = appendText(b, 2, c.ResourceKey)
	b = appendDuration(b, 3, c.TTL)
	b = appendBool(b, 4, c.Linked)
	b = appendBool(b, 5, c.Takeover)
	return appendSub(b, 6, c.Displaces, AppendRecord)
}

// DecodeClaim reads what AppendClaim wrote.
func DecodeClaim(b []byte) (sdk.Claim, error) {
	var v sdk.Claim
	r := reader{what: "Claim", rest: b}
	for r.next() {
		switch r.num {
		case 1:
			sub(&r, &v.Record, DecodeRecord)
		case 2:
			v.ResourceKey = r.text()
		case 3:
			v.TTL = r.duration()
		case 4:
			v.Linked = r.bool()
		case 5:
			v.Takeover = r.bool()
		case 6:
			sub(&r, &v.Displaces, DecodeRecord)
		}
	}
	return finish(&r, v)
}

// AppendTerms appends t.
func AppendTerms(b []byte, t sdk.Terms) []byte {
	b = appendUint(b, 1, t.AtLeast)
	b = appendUint(b, 2, t.Epoch)
	b = appendText(b, 3, t.Lineage)
	b = appendBool(b, 4, t.Takeover)
	b = appendDuration(b, 5, t.TTL)
	b = appendDuration(b, 6, t.MinTTL)
	b = appendDuration(b, 7, t.FailoverBound)
	return appendUint(b, 8, t.StartTime)
}

// DecodeTerms reads what AppendTerms wrote.
func DecodeTerms(b []byte) (sdk.Terms, error) {
	var v sdk.Terms
	r := reader{what: "Terms", rest: b}
	for r.next() {
		switch r.num {
		case 1:
			v.AtLeast = r.uint()
		case 2:
			v.Epoch = r.uint()
		case 3:
			v.Lineage = r.text()
		case 4:
			v.Takeover = r.bool()
		case 5:
			v.TTL = r.duration()
		case 6:
			v.MinTTL = r.duration()
		case 7:
			v.FailoverBound = r.duration()
		case 8:
			v.StartTime = r.uint()
		}
	}
	return finish(&r, v)
}

// AppendHolding appends h.
func AppendHolding(b []byte, h sdk.Holding) []byte {
	b = appendSub(b, 1, h.Record, AppendRecord)
	b = appendBool(b, 2, h.Held)
	b = appendUint(b, 3, h.Beat)
	return appendSub(b, 4, h.Announced, AppendRecord)
}

// DecodeHolding reads what AppendHolding wrote.
func DecodeHolding(b []byte) (sdk.Holding, error) {
	var v sdk.Holding
	r := reader{what: "Holding", rest: b}
	for r.next() {
		switch r.num {
		case 1:
			sub(&r, &v.Record, DecodeRecord)
		case 2:
			v.Held = r.bool()
		case 3:
			v.Beat = r.uint()
		case 4:
			sub(&r, &v.Announced, DecodeRecord)
		}
	}
	return finish(&r, v)
}

// AppendLiveness appends l.
func AppendLiveness(b []byte, l sdk.Liveness) []byte { return appendUint(b, 1, l) }

// DecodeLiveness reads what AppendLiveness wrote.
func DecodeLiveness(b []byte) (sdk.Liveness, error) {
	var v sdk.Liveness
	r := reader{what: "LivenessAnswer", rest: b}
	for r.next() {
		if r.num == 1 {
			v = sdk.Liveness(r.small())
		}
	}
	return finish(&r, v)
}
