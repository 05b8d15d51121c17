package sdktest

import (
	"testing"

	"github.com/ramet-io/ramet/sdk"
)

// Store checks the store stage of p against the contracts of [sdk.Store],
// [sdk.DB], [sdk.Tx], [sdk.Rows] and [sdk.Feed], with SQL as SQLite reads it. What
// a second process would do is done by a second instance of p over the same
// database; what happens when a process dies is for the plugin's own tests.
//
// Optional behaviour is checked where p declares it and must be refused with
// [sdk.ErrUnsupported] where it does not.
func Store(t *testing.T, p sdk.Plugin) {
	if !p.Describe().Serves(sdk.StageStore) {
		t.Fatalf("%s does not declare the store stage", p.Describe().Name)
	}
	if !p.Describe().Has(sdk.CapDialectSQLite) {
		t.Fatalf("%s does not declare %s, and this suite speaks that dialect", p.Describe().Name, sdk.CapDialectSQLite)
	}
	for _, group := range []struct {
		name  string
		cases []storeCase
	}{
		{"open", storeOpenCases},
		{"resource key", storeKeyCases},
		{"advance", storeAdvanceCases},
		{"fence", storeFenceCases},
		{"lineage", storeLineageCases},
		{"apply", storeApplyCases},
		{"group", storeGroupCases},
		{"replay", storeReplayCases},
		{"floor", storeFloorCases},
		{"query", storeQueryCases},
		{"values", storeValueCases},
		{"read level", storeLevelCases},
		{"prepare", storePrepareCases},
		{"transaction", storeTxCases},
		{"transaction commit", storeTxCommitCases},
		{"read-only transaction", storeTxReadCases},
		{"changes", storeChangeCases},
		{"change log", storeChangeLogCases},
		{"close", storeCloseCases},
		{"together", storeTogetherCases},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, c := range group.cases {
				t.Run(c.name, func(t *testing.T) {
					f := storeNew(t, p)
					if c.needs != "" && !f.info.Has(c.needs) {
						storeLacks(f, c.needs)
						return
					}
					c.test(f)
				})
			}
		})
	}
}

// storeCase is one sentence of the contract.
type storeCase struct {
	name  string
	needs sdk.Capability // without it the behaviour must be refused
	test  func(*storeFixture)
}

// storeLacks checks that what p does not declare is refused.
func storeLacks(f *storeFixture, c sdk.Capability) {
	f.t.Helper()
	w := f.primary()
	ctx := f.ctx()
	var err error
	switch c {
	case sdk.CapInteractiveTx:
		_, err = w.db.Begin(ctx, w.epoch, sdk.TxOptions{})
	case sdk.CapChangeLog:
		_, err = w.db.Changes(ctx, sdk.Position{})
	case sdk.CapSnapshot:
		_, err = w.db.Snapshot(ctx)
	case sdk.CapLinearizable:
		q := sdk.Query{Statement: storeStmt("SELECT 1"), Level: sdk.ReadLinearizable, Epoch: w.epoch}
		_, err = w.db.Query(ctx, q)
	default:
		return // a quality, not a method: there is nothing to refuse
	}
	storeWantError(f.t, "without "+string(c), err, sdk.ErrUnsupported)
}
