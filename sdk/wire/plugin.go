package wire

import "github.com/ramet-io/ramet/sdk"

// AppendInfo appends i.
func AppendInfo(b []byte, i sdk.Info) []byte {
	b = appendText(b, 1, i.Name)
	b = appendText(b, 2, i.Version)
	b = appendTexts(b, 3, i.Stages)
	b = appendTexts(b, 4, i.Schemes)
	b = appendTexts(b, 5, i.Capabilities)
	return appendList(b, 6, i.Options, AppendOption)
}

// DecodeInfo reads what AppendInfo wrote.
func DecodeInfo(b []byte) (sdk.Info, error) {
	var v sdk.Info
	r := reader{what: "Info", rest: b}
	for r.next() {
		switch r.num {
		case 1:
			v.Name = r.text()
		case 2:
			v.Version = r.text()
		case 3:
			texts(&r, &v.Stages)
		case 4:
			texts(&r, &v.Schemes)
		case 5:
			texts(&r, &v.Capabilities)
		case 6:
			item(&r, &v.Options, DecodeOption)
		}
	}
	return finish(&r, v)
}

// AppendOption appends o.
func AppendOption(b []byte, o sdk.Option) []byte {
	b = appendText(b, 1, o.Name)
	b = appendText(b, 2, o.Type)
	b = appendBool(b, 3, o.Required)
	b = appendText(b, 4, o.Default)
	b = appendText(b, 5, o.Doc)
	return appendText(b, 6, o.Min)
}

// DecodeOption reads what AppendOption wrote.
func DecodeOption(b []byte) (sdk.Option, error) {
	var v sdk.Option
	r := reader{what: "Option", rest: b}
	for r.next() {
		switch r.num {
		case 1:
			v.Name = r.text()
		case 2:
			v.Type = sdk.OptionType(r.text())
		case 3:
			v.Required = r.bool()
		case 4:
			v.Default = r.text()
		case 5:
			v.Doc = r.text()
		case 6:
			v.Min = r.text()
		}
	}
	return finish(&r, v)
}

// AppendEnv appends e without its logger, which each side has of its own.
func AppendEnv(b []byte, e sdk.Env) []byte {
	b = appendSub(b, 1, e.Workspace, AppendWorkspace)
	return appendText(b, 2, e.Options)
}

// DecodeEnv reads what AppendEnv wrote. The logger is nil.
func DecodeEnv(b []byte) (sdk.Env, error) {
	var v sdk.Env
	r := reader{what: "Env", rest: b}
	for r.next() {
		switch r.num {
		case 1:
			sub(&r, &v.Workspace, DecodeWorkspace)
		case 2:
			v.Options = r.bytes()
		}
	}
	return finish(&r, v)
}

// AppendWorkspace appends w.
func AppendWorkspace(b []byte, w sdk.Workspace) []byte {
	b = appendText(b, 1, w.Dir)
	b = appendText(b, 2, w.StateDir)
	b = appendText(b, 3, w.DataPath)
	return appendText(b, 4, w.Key)
}

// DecodeWorkspace reads what AppendWorkspace wrote.
func DecodeWorkspace(b []byte) (sdk.Workspace, error) {
	var v sdk.Workspace
	r := reader{what: "Workspace", rest: b}
	for r.next() {
		switch r.num {
		case 1:
			v.Dir = r.text()
		case 2:
			v.StateDir = r.text()
		case 3:
			v.DataPath = r.text()
		case 4:
			v.Key = r.text()
		}
	}
	return finish(&r, v)
}

// AppendHealth appends h.
func AppendHealth(b []byte, h sdk.Health) []byte {
	b = appendUint(b, 1, h.Number)
	b = appendUint(b, 2, h.Condition)
	b = appendText(b, 3, h.Reason)
	b = appendDuration(b, 4, h.For)
	b = appendInt(b, 5, h.PID)
	return appendList(b, 6, h.Counters, appendCounter)
}

// DecodeHealth reads what AppendHealth wrote.
func DecodeHealth(b []byte) (sdk.Health, error) {
	var v sdk.Health
	r := reader{what: "Health", rest: b}
	for r.next() {
		switch r.num {
		case 1:
			v.Number = r.uint()
		case 2:
			v.Condition = sdk.Condition(r.small())
		case 3:
			v.Reason = r.text()
		case 4:
			v.For = r.duration()
		case 5:
			v.PID = int(r.int())
		case 6:
			item(&r, &v.Counters, decodeCounter)
		}
	}
	return finish(&r, v)
}

func appendCounter(b []byte, c sdk.Counter) []byte {
	b = appendText(b, 1, c.Name)
	return appendUint(b, 2, c.Count)
}

func decodeCounter(b []byte) (sdk.Counter, error) {
	var v sdk.Counter
	r := reader{what: "Counter", rest: b}
	for r.next() {
		switch r.num {
		case 1:
			v.Name = r.text()
		case 2:
			v.Count = r.uint()
		}
	}
	return finish(&r, v)
}

// AppendEndpoints appends one set of endpoints.
func AppendEndpoints(b []byte, set []sdk.Endpoint) []byte { return appendTexts(b, 1, set) }

// DecodeEndpoints reads what AppendEndpoints wrote.
func DecodeEndpoints(b []byte) ([]sdk.Endpoint, error) {
	var v []sdk.Endpoint
	r := reader{what: "Endpoints", rest: b}
	for r.next() {
		if r.num == 1 {
			texts(&r, &v)
		}
	}
	return finish(&r, v)
}

// AppendEndpointSets appends sets of endpoints, as Ports.Candidates returns them.
func AppendEndpointSets(b []byte, sets [][]sdk.Endpoint) []byte {
	return appendList(b, 1, sets, AppendEndpoints)
}

// DecodeEndpointSets reads what AppendEndpointSets wrote.
func DecodeEndpointSets(b []byte) ([][]sdk.Endpoint, error) {
	return decodeList(b, "EndpointSets", DecodeEndpoints)
}
