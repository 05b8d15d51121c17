package sdktest

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/ramet-io/ramet/sdk"
)

var storeReplayCases = []storeCase{
	{"gives the stored result", sdk.CapReplayFull, storeReplaySame},
	{"is applied once", "", storeReplayOnce},
	{"by another primary", "", storeReplayElsewhere},
	{"of a result too large to keep", "", storeReplayLarge},
	{"an error is not stored", "", storeReplayError},
	{"without a write id", "", storeReplayNoID},
	{"another incarnation", "", storeReplayIncarnation},
	{"meant for another lineage", "", storeReplayLineage},
	{"outcome", "", storeReplayOutcome},
}

// storeWantOutcomes asks for the outcome of writes: nil means applied.
func storeWantOutcomes(w *storeWriter, want map[uint64]error) {
	w.t.Helper()
	for sequence, target := range want {
		res, err := w.db.Outcome(w.ctx(), w.epoch, storeID(sequence))
		if target != nil {
			storeWantError(w.t, fmt.Sprintf("outcome of write %d", sequence), err, target)
		} else if err != nil || !res.Replayed || res.Err != nil {
			w.t.Errorf("outcome of write %d: %+v, %v; want applied", sequence, res, err)
		}
	}
}

func storeSameResult(a, b sdk.Result) bool {
	if len(a.Rows) != len(b.Rows) {
		return false
	}
	for i := range a.Rows {
		if !slices.EqualFunc(a.Rows[i], b.Rows[i], storeSame) {
			return false
		}
	}
	a.Rows, b.Rows = nil, nil
	return reflect.DeepEqual(a, b)
}

func storeReplaySame(f *storeFixture) {
	w := f.primary()
	w.exec("CREATE TABLE t(id INTEGER PRIMARY KEY, a)")
	r := sdk.Request{ID: storeID(1), Statements: []sdk.Statement{{
		SQL:      "INSERT INTO t(a) VALUES ('x'), (x'00ff'), (1.5), (NULL), (9223372036854775807), (x''), ('') RETURNING id, a, a IS NULL AS missing",
		WantRows: true,
	}}}
	first := w.must(r)
	if first.Replayed || len(first.Rows) != 7 {
		f.t.Fatalf("first: %+v", first)
	}
	want := first
	want.Replayed = true
	if again := w.must(r); !storeSameResult(again, want) {
		f.t.Errorf("replayed\n%+v, want\n%+v", again, want)
	}
	got, err := w.db.Outcome(f.ctx(), w.epoch, r.ID)
	if err != nil || !storeSameResult(got, want) {
		f.t.Errorf("outcome %v\n%+v, want\n%+v", err, got, want)
	}
	w.want("SELECT count(*) FROM t", int64(7))
}

func storeReplayOnce(f *storeFixture) {
	w := f.primary()
	w.exec("CREATE TABLE t(a)")
	r := storeWrite(1, "INSERT INTO t VALUES (1)")
	results := w.apply(r, r, storeWrite(2, "INSERT INTO t VALUES (2)"), r) // twice in one call, too
	for i, replayed := range []bool{false, true, false, true} {
		if results[i].Err != nil || results[i].Replayed != replayed || results[i].RowsAffected != 1 {
			f.t.Errorf("request %d: %+v", i, results[i])
		}
	}
	for range 3 {
		if res := w.must(r); !res.Replayed {
			f.t.Error("a replay says that it was applied now")
		}
	}
	w.want("SELECT a FROM t ORDER BY a", int64(1), int64(2))
}

func storeReplayElsewhere(f *storeFixture) {
	w := f.primary()
	w.exec("CREATE TABLE t(id INTEGER PRIMARY KEY, a)")
	r := storeWrite(1, "INSERT INTO t(a) VALUES ('once')")
	first := w.must(r)
	f.close(w.db)
	next := f.elsewhere().primary()
	again := next.must(r)
	if !again.Replayed || again.LastInsertID != first.LastInsertID || again.Position != first.Position {
		f.t.Errorf("replayed %+v, want %+v", again, first)
	}
	next.want("SELECT count(*) FROM t", int64(1))
}

func storeReplayLarge(f *storeFixture) {
	w := f.primary()
	w.exec("CREATE TABLE t(a)")
	r := sdk.Request{ID: storeID(1), Statements: []sdk.Statement{storeStmt("INSERT INTO t VALUES (?) RETURNING a", strings.Repeat("x", 80<<10))}}
	r.Statements[0].WantRows = true
	if first := w.must(r); len(first.Rows) != 1 || len(first.Rows[0][0].(string)) != 80<<10 {
		f.t.Errorf("first: %d rows", len(first.Rows))
	}
	storeWantError(f.t, "replay", w.apply(r)[0].Err, sdk.ErrResultGone)
	_, err := w.db.Outcome(f.ctx(), w.epoch, r.ID)
	storeWantError(f.t, "outcome", err, sdk.ErrResultGone)
	w.want("SELECT count(*) FROM t", int64(1))
}

func storeReplayError(f *storeFixture) {
	w := f.primary()
	w.exec("CREATE TABLE t(a INTEGER PRIMARY KEY)", "INSERT INTO t VALUES (1)")
	storeWantSQL(f.t, "duplicate", w.apply(storeWrite(1, "INSERT INTO t VALUES (1)"))[0].Err, storeCodePrimaryKey)
	storeWantOutcomes(w, map[uint64]error{1: sdk.ErrUnavailable})
	w.exec("DELETE FROM t")
	if res := w.must(storeWrite(1, "INSERT INTO t VALUES (1)")); res.Replayed {
		f.t.Error("a write that had failed was taken for applied")
	}
}

func storeReplayNoID(f *storeFixture) {
	w := f.primary()
	w.exec("CREATE TABLE t(a)")
	for range 2 {
		if res := w.exec("INSERT INTO t VALUES (1)"); res.Replayed {
			f.t.Error("a write without an id was replayed")
		}
	}
	w.want("SELECT count(*) FROM t", int64(2))
	for _, id := range []sdk.WriteID{{Sequence: 1}, {Incarnation: storeID(1).Incarnation}} {
		r := storeTexts("INSERT INTO t VALUES ('half an id')")
		r.ID = id
		storeWantError(f.t, fmt.Sprintf("half a write id %+v", id), w.apply(r)[0].Err, sdk.ErrInvalid)
	}
	w.want("SELECT count(*) FROM t", int64(2))
}

func storeReplayIncarnation(f *storeFixture) {
	w := f.primary()
	w.exec("CREATE TABLE t(a)")
	mine, other := storeWrite(1, "INSERT INTO t VALUES ('mine')"), storeWrite(1, "INSERT INTO t VALUES ('other')")
	other.ID.Incarnation = strings.Repeat("f", 32)
	for i, res := range w.apply(mine, other) {
		if res.Err != nil || res.Replayed {
			f.t.Errorf("write 1 of incarnation %d: %+v", i, res)
		}
	}
	w.want("SELECT a FROM t ORDER BY a", "mine", "other")
}

func storeReplayLineage(f *storeFixture) {
	w := f.primary()
	w.exec("CREATE TABLE t(a)")
	foreign, ours := storeWrite(1, "INSERT INTO t VALUES ('foreign')"), storeWrite(2, "INSERT INTO t VALUES ('ours')")
	foreign.Lineage, ours.Lineage = "of another store", w.grant.Lineage
	results := w.apply(foreign, ours)
	var unknown *sdk.OutcomeUnknownError
	if !errors.As(results[0].Err, &unknown) || unknown.ID != foreign.ID {
		f.t.Errorf("foreign lineage: %v, want *OutcomeUnknownError of %v", results[0].Err, foreign.ID)
	}
	if results[1].Err != nil {
		f.t.Errorf("own lineage: %v", results[1].Err)
	}
	w.want("SELECT a FROM t", "ours")
}

func storeReplayOutcome(f *storeFixture) {
	w := f.primary()
	w.exec("CREATE TABLE t(a)")
	w.must(storeWrite(2, "INSERT INTO t VALUES (2)"))
	storeWantOutcomes(w, map[uint64]error{1: sdk.ErrUnavailable, 2: nil, 3: sdk.ErrUnavailable})
	next := f.elsewhere().primary()
	storeWantOutcomes(next, map[uint64]error{1: sdk.ErrUnavailable, 2: nil})
	reader := f.elsewhere().open(sdk.Secondary) // the kernel keeps one of these on a primary, too
	if _, err := reader.Outcome(f.ctx(), next.epoch, storeID(2)); err != nil && !errors.Is(err, sdk.ErrReadOnly) {
		f.t.Errorf("outcome on a secondary: %v", err)
	}
}

var storeFloorCases = []storeCase{
	{"what is below is not executed", "", storeFloorBelow},
	{"above it replay goes on", "", storeFloorAbove},
	{"survives the owner", "", storeFloorSurvives},
	{"never sinks", "", storeFloorSinks},
}

// storeFloorAt applies writes 1, 2 and 4, the last with floor 2.
func storeFloorAt(f *storeFixture) *storeWriter {
	f.t.Helper()
	w := f.primary()
	w.exec("CREATE TABLE t(a)")
	w.apply(storeWrite(1, "INSERT INTO t VALUES (1)"), storeWrite(2, "INSERT INTO t VALUES (2)"))
	r := storeWrite(4, "INSERT INTO t VALUES (4)")
	r.Floor = 2
	w.must(r)
	return w
}

func storeWantBelow(w *storeWriter) {
	w.t.Helper()
	for sequence := uint64(1); sequence <= 2; sequence++ {
		res := w.apply(storeWrite(sequence, "INSERT INTO t VALUES ('again')"))[0]
		storeWantError(w.t, fmt.Sprintf("write %d", sequence), res.Err, sdk.ErrResultGone)
	}
	storeWantOutcomes(w, map[uint64]error{1: sdk.ErrResultGone, 2: sdk.ErrResultGone, 4: nil})
	w.want("SELECT count(*) FROM t WHERE a = 'again'", int64(0))
}

func storeFloorBelow(f *storeFixture) { storeWantBelow(storeFloorAt(f)) }

func storeFloorAbove(f *storeFixture) {
	w := storeFloorAt(f)
	storeWantOutcomes(w, map[uint64]error{3: sdk.ErrUnavailable, 4: nil})
	if res := w.must(storeWrite(3, "INSERT INTO t VALUES (3)")); res.Replayed {
		f.t.Error("write 3 came late and was taken for applied")
	}
	if res := w.must(storeWrite(4, "INSERT INTO t VALUES (4)")); !res.Replayed {
		f.t.Error("write 4 was applied again")
	}
	w.want("SELECT a FROM t ORDER BY a", int64(1), int64(2), int64(3), int64(4))
}

func storeFloorSurvives(f *storeFixture) {
	w := storeFloorAt(f)
	f.close(w.db)
	storeWantBelow(f.elsewhere().primary())
}

func storeFloorSinks(f *storeFixture) {
	w := storeFloorAt(f)
	r := storeWrite(5, "INSERT INTO t VALUES (5)")
	r.Floor = 1 // sent before, arrived late
	w.must(r)
	storeWantBelow(w)
}
