package sqlite

import (
	"strings"

	engine "modernc.org/sqlite"
)

// metaPrefix begins the name of every table of ours.
const metaPrefix = "ramet_"

// usage is what compiling a statement showed of it.
type usage struct {
	writes    bool   // changes the database
	modifies  bool   // INSERT, UPDATE or DELETE, so it has a number of rows
	inserts   bool   // INSERT, so it may have a row id
	into      string // the table that it inserts into
	control   bool   // BEGIN, COMMIT, ROLLBACK
	savepoint string // BEGIN, RELEASE or ROLLBACK of a savepoint
	name      string // of that savepoint
	deferFK   bool   // PRAGMA defer_foreign_keys, which lasts until COMMIT
	refused   string // why it may not run
	ours      bool   // it would change a table of ours
}

// guard is the authorizer of one connection. SQLite calls it while it compiles,
// also when it compiles a cached statement again because the schema changed.
// See https://www.sqlite.org/c3ref/set_authorizer.html.
type guard struct {
	internal bool   // statements of this package: all is allowed
	saw      usage  // since it was last cleared
	schema   bool   // the schema may have changed since this was last cleared
	asked    uint64 // how often it was asked: more after a run means that the statement was compiled again
}

func (g *guard) check(action engine.AuthorizerActionCode, a1, a2, db, trigger string) engine.AuthorizerReturnCode {
	g.asked++
	if g.internal {
		g.schema = true // our statements are compiled once, unless the schema changes
		return engine.AuthorizerOK
	}
	switch action {
	case engine.AuthPragma:
		return g.pragma(a1, a2)
	case engine.AuthTransaction:
		g.saw.control = true
	case engine.AuthSavepoint:
		g.saw.savepoint, g.saw.name = a1, a2
	case engine.AuthInsert, engine.AuthUpdate, engine.AuthDelete:
		return g.modify(action, a1, trigger)
	case engine.AuthAttach, engine.AuthDetach:
		return g.refuse("ATTACH and DETACH change one connection, and connections are shared; open the other database yourself")
	case engine.AuthCreateTempIndex, engine.AuthCreateTempTable, engine.AuthCreateTempTrigger, engine.AuthCreateTempView,
		engine.AuthDropTempIndex, engine.AuthDropTempTable, engine.AuthDropTempTrigger, engine.AuthDropTempView:
		return g.refuse(tempReason)
	default:
		return g.define(action, a1, a2, db)
	}
	return engine.AuthorizerOK
}

// modify is asked about changed rows. DDL changes sqlite_schema this way.
func (g *guard) modify(action engine.AuthorizerActionCode, table, trigger string) engine.AuthorizerReturnCode {
	if isMeta(table) {
		return g.refuseOurs()
	}
	g.saw.writes = true
	if trigger == "" && !strings.HasPrefix(table, "sqlite_") {
		g.saw.modifies = true
		if action == engine.AuthInsert && !g.saw.inserts {
			g.saw.inserts, g.saw.into = true, table
		}
	}
	return engine.AuthorizerOK
}

// define is asked about everything else, of which DDL matters.
func (g *guard) define(action engine.AuthorizerActionCode, a1, a2, db string) engine.AuthorizerReturnCode {
	switch action {
	case engine.AuthCreateTable, engine.AuthDropTable, engine.AuthCreateView, engine.AuthDropView,
		engine.AuthCreateVTable, engine.AuthDropVTable, engine.AuthReindex, engine.AuthAnalyze:
		if isMeta(a1) && action != engine.AuthAnalyze && action != engine.AuthReindex {
			return g.refuseOurs()
		}
	case engine.AuthCreateIndex, engine.AuthDropIndex, engine.AuthCreateTrigger, engine.AuthDropTrigger, engine.AuthAlterTable:
		if isMeta(a1) || isMeta(a2) {
			return g.refuseOurs()
		}
	default:
		return engine.AuthorizerOK
	}
	if db == "temp" { // CREATE TABLE temp.x is told like this
		return g.refuse(tempReason)
	}
	g.saw.writes, g.schema = true, true
	return engine.AuthorizerOK
}

const tempReason = "TEMP objects live in one connection, and connections are shared; use an ordinary table"

func (g *guard) refuse(why string) engine.AuthorizerReturnCode {
	g.saw.refused = why
	return engine.AuthorizerDeny
}

func (g *guard) refuseOurs() engine.AuthorizerReturnCode {
	g.saw.ours = true
	return g.refuse("tables whose names begin with " + metaPrefix + " belong to ramet; choose another name")
}

func isMeta(name string) bool {
	return len(name) >= len(metaPrefix) && strings.EqualFold(name[:len(metaPrefix)], metaPrefix)
}

// pragma decides about PRAGMA name = arg. Some of them act while they are
// compiled (https://www.sqlite.org/pragma.html), so what must not act is denied
// or made a no-op here and not later.
func (g *guard) pragma(name, arg string) engine.AuthorizerReturnCode {
	name = strings.ToLower(name)
	switch pragmaRule(name, arg) {
	case pragmaReads:
		return engine.AuthorizerOK
	case pragmaWrites:
		g.saw.writes = true
		g.saw.deferFK = g.saw.deferFK || name == "defer_foreign_keys"
		return engine.AuthorizerOK
	case pragmaNothing:
		return engine.AuthorizerIgnore
	}
	return g.refuse("PRAGMA " + name + " would change a connection or the file, and both are shared; ramet sets them for the whole workspace")
}
