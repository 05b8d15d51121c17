package sqlroute

import (
	"reflect"
	"testing"
)

func TestSplit(t *testing.T) {
	trigger := "CREATE TEMP TRIGGER x AFTER INSERT ON t BEGIN SELECT CASE 1 WHEN 1 THEN 2 END; DELETE FROM u; END"
	for text, want := range map[string][]string{
		"":                             nil,
		" ; -- a;b\n ; /* c;d */ ":     nil,
		"SELECT 1":                     {"SELECT 1"},
		"SELECT ';' ; select [;], `;`": {"SELECT ';'", "select [;], `;`"},
		"SELECT 'it''s;' ; x":          {"SELECT 'it''s;'", "x"},
		trigger + ";COMMIT":            {trigger, "COMMIT"},
		"SELECT 1 -- open":             {"SELECT 1"},
		"SELECT 1; /* open":            {"SELECT 1"},
		"SELECT 'open ; ":              {"SELECT 'open ; "},
		"SELECT [open ; ":              {"SELECT [open ; "},
		"\ufeffBEGIN;SELECT :a;":       {"BEGIN", "SELECT :a"},
		"SELECT 1;é":                   {"SELECT 1", "é"},
	} {
		var got []string
		for _, s := range split(text) {
			got = append(got, s.source())
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestControlOf(t *testing.T) {
	for text, want := range map[string]control{
		"begin":                     {verb: verbBegin},
		"BEGIN CONCURRENT":          {},
		"END":                       {verb: verbCommit},
		"COMMIT 1":                  {},
		"SAVEPOINT 'a''b'":          {verbSavepoint, "a'b", "SAVEPOINT 'a''b'"},
		"SAVEPOINT":                 {},
		"SAVEPOINT 1":               {},
		"RELEASE a":                 {verbRelease, "a", "RELEASE a"},
		"ROLLBACK":                  {verb: verbRollback},
		"ROLLBACK TO":               {},
		"ROLLBACK TO savepoint":     {},
		"rollback transaction to x": {verbRollbackTo, "x", "rollback transaction to x"},
		"SELECT 1":                  {},
	} {
		if got := controlOf(split(text)[0]); got != want {
			t.Errorf("%q: %+v, want %+v", text, got, want)
		}
	}
}

func FuzzLook(f *testing.F) {
	for _, text := range []string{"BEGIN;COMMIT", "SELECT changes() AS", "CREATE TRIGGER x BEGIN;END;", "ROLLBACK TO", "\"", "[", "--"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		look(text)
		for _, s := range split(text) {
			if s.source() == "" {
				t.Errorf("%q: an empty statement", text)
			}
		}
	})
}
