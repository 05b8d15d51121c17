package wire

import "github.com/ramet-io/ramet/sdk"

// AppendOpenOptions appends o.
func AppendOpenOptions(b []byte, o sdk.OpenOptions) []byte {
	b = appendText(b, 1, o.Path)
	b = appendText(b, 2, o.Role)
	b = appendText(b, 3, o.Durability)
	b = appendBool(b, 4, o.ChangeLog)
	b = appendInt(b, 5, o.ChangeRetention)
	return appendDuration(b, 6, o.OutcomeTTL)
}

// DecodeOpenOptions reads what AppendOpenOptions wrote.
func DecodeOpenOptions(b []byte) (sdk.OpenOptions, error) {
	var v sdk.OpenOptions
	r := reader{what: "OpenOptions", rest: b}
	for r.next() {
		switch r.num {
		case 1:
			v.Path = r.text()
		case 2:
			v.Role = sdk.Role(r.text())
		case 3:
			v.Durability = sdk.Durability(r.text())
		case 4:
			v.ChangeLog = r.bool()
		case 5:
			v.ChangeRetention = r.int()
		case 6:
			v.OutcomeTTL = r.duration()
		}
	}
	return finish(&r, v)
}

// AppendStoreStatus appends s.
func AppendStoreStatus(b []byte, s sdk.StoreStatus) []byte {
	b = appendText(b, 1, s.Workspace)
	b = appendText(b, 2, s.Lineage)
	b = appendUint(b, 3, s.Epoch)
	b = appendSub(b, 4, s.Owner, AppendRecord)
	b = appendInt(b, 5, s.SchemaVersion)
	b = appendSub(b, 6, s.Oldest, AppendPosition)
	b = appendSub(b, 7, s.Newest, AppendPosition)
	b = appendText(b, 8, s.Engine)
	return appendTexts(b, 9, s.Warnings)
}

// DecodeStoreStatus reads what AppendStoreStatus wrote.
func DecodeStoreStatus(b []byte) (sdk.StoreStatus, error) {
	var v sdk.StoreStatus
	r := reader{what: "StoreStatus", rest: b}
	for r.next() {
		switch r.num {
		case 1:
			v.Workspace = r.text()
		case 2:
			v.Lineage = r.text()
		case 3:
			v.Epoch = r.uint()
		case 4:
			sub(&r, &v.Owner, DecodeRecord)
		case 5:
			v.SchemaVersion = r.int64()
		case 6:
			sub(&r, &v.Oldest, DecodePosition)
		case 7:
			sub(&r, &v.Newest, DecodePosition)
		case 8:
			v.Engine = r.text()
		case 9:
			texts(&r, &v.Warnings)
		}
	}
	return finish(&r, v)
}

// AppendFence appends f.
func AppendFence(b []byte, f sdk.Fence) []byte {
	b = appendUint(b, 1, f.Observed)
	b = appendUint(b, 2, f.AtLeast)
	b = appendUint(b, 3, f.RecordEpoch)
	b = appendText(b, 4, f.RecordLineage)
	b = appendSub(b, 5, f.Owner, AppendRecord)
	return appendInt(b, 6, f.SchemaVersion)
}

// DecodeFence reads what AppendFence wrote.
func DecodeFence(b []byte) (sdk.Fence, error) {
	var v sdk.Fence
	r := reader{what: "Fence", rest: b}
	for r.next() {
		switch r.num {
		case 1:
			v.Observed = r.uint()
		case 2:
			v.AtLeast = r.uint()
		case 3:
			v.RecordEpoch = r.uint()
		case 4:
			v.RecordLineage = r.text()
		case 5:
			sub(&r, &v.Owner, DecodeRecord)
		case 6:
			v.SchemaVersion = r.int64()
		}
	}
	return finish(&r, v)
}

// AppendGrant appends g.
func AppendGrant(b []byte, g sdk.Grant) []byte {
	b = appendUint(b, 1, g.Epoch)
	b = appendText(b, 2, g.Lineage)
	b = appendText(b, 3, g.Workspace)
	return appendInt(b, 4, g.SchemaVersion)
}

// DecodeGrant reads what AppendGrant wrote.
func DecodeGrant(b []byte) (sdk.Grant, error) {
	var v sdk.Grant
	r := reader{what: "Grant", rest: b}
	for r.next() {
		switch r.num {
		case 1:
			v.Epoch = r.uint()
		case 2:
			v.Lineage = r.text()
		case 3:
			v.Workspace = r.text()
		case 4:
			v.SchemaVersion = r.int64()
		}
	}
	return finish(&r, v)
}
