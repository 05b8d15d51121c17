package assembly

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hashicorp/hcl/v2"

	"github.com/ramet-io/ramet/sdk"
)

// checkOptions compares a plugin's options with what it declares, and keeps them
// as the JSON object that the plugin gets.
func (f *file) checkOptions(p *part, info sdk.Info) {
	known := map[string]sdk.Option{}
	for _, o := range info.Options {
		known[o.Name] = o
		if o.Required && p.options[o.Name] == nil {
			at := p.at
			if p.optionsAt.Start.Line > 0 {
				at = p.optionsAt
			}
			fault := f.at(at, "plugin %q needs the option %s", p.name, clean(o.Name))
			fault.Cause, fault.Fix = clean(o.Doc), fmt.Sprintf("add it to options: a %s", o.Type)
			f.add(fault)
		}
	}
	values := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(p.options)) {
		if o, ok := known[name]; ok {
			values[name] = f.option(p.options[name], o)
		} else {
			f.unknownOption(p, p.options[name], slices.Sorted(maps.Keys(known)))
		}
	}
	if len(values) > 0 {
		p.json, _ = json.Marshal(values) // texts, numbers and truth values: cannot fail
	}
}

func (f *file) unknownOption(p *part, a *hcl.Attribute, known []string) {
	fault := f.at(a.NameRange, "plugin %q has no option %q", clean(p.name), clean(a.Name))
	fault.Suggestion = nearest(a.Name, known)
	fault.Fix = "use one of: " + clean(strings.Join(known, ", "))
	if len(known) == 0 {
		fault.Fix = "remove it: the plugin has no options"
	}
	f.add(fault)
}

// option reads a value as the plugin declares it.
func (f *file) option(a *hcl.Attribute, o sdk.Option) any {
	switch o.Type {
	case sdk.OptionBool:
		v, _ := f.bool(a)
		return v
	case sdk.OptionInt:
		least := int64(math.MinInt64)
		if n, err := strconv.ParseInt(o.Min, 10, 64); err == nil {
			least = n
		}
		v, _ := f.whole(a, least)
		return v
	case sdk.OptionDuration:
		least, err := time.ParseDuration(o.Min)
		if err != nil {
			least = math.MinInt64 // any
		}
		v, _ := f.duration(a, least)
		return v.String()
	}
	v, _ := f.string(a) // also a type that a later contract adds: its text is the plugin's to judge
	return v
}
