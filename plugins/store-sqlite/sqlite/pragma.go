package sqlite

import "strings"

type pragmaClass uint8

const (
	pragmaRefused pragmaClass = iota
	pragmaReads
	pragmaWrites
	pragmaNothing // accepted, has no effect
)

// pragmaRule says what may be done with a PRAGMA; name is in lower case. It
// refuses what it does not know.
func pragmaRule(name, arg string) pragmaClass {
	switch name {
	case "table_info", "table_xinfo", "table_list", "index_list", "index_info", "index_xinfo",
		"foreign_key_list", "foreign_key_check", "integrity_check", "quick_check",
		"database_list", "collation_list", "function_list", "module_list", "pragma_list", "compile_options":
		return pragmaReads
	case "optimize", "incremental_vacuum":
		return pragmaWrites
	case "shrink_memory":
		return pragmaNothing
	case "wal_checkpoint", "case_sensitive_like":
		return pragmaRefused // these act without an argument
	}
	if arg == "" {
		if pragmaGetters[name] {
			return pragmaReads
		}
		return pragmaRefused
	}
	return pragmaSetter(name, strings.ToLower(strings.Trim(arg, `'"`)))
}

// pragmaSetter decides about PRAGMAs with a value.
func pragmaSetter(name, arg string) pragmaClass {
	on := arg == "1" || arg == "on" || arg == "yes" || arg == "true"
	off := arg == "0" || arg == "off" || arg == "no" || arg == "false"
	switch name {
	case "user_version", "application_id", "defer_foreign_keys":
		return pragmaWrites // part of the transaction
	case "busy_timeout", "cache_size", "cache_spill", "temp_store", "mmap_size", "synchronous", "wal_autocheckpoint",
		"journal_size_limit", "threads", "analysis_limit", "page_size", "fullfsync", "checkpoint_fullfsync",
		"automatic_index", "soft_heap_limit", "hard_heap_limit":
		return pragmaNothing // tuning, which is ours
	case "foreign_keys":
		if on {
			return pragmaNothing // they are on
		}
	case "recursive_triggers", "read_uncommitted", "query_only", "ignore_check_constraints", "writable_schema",
		"reverse_unordered_selects", "legacy_alter_table", "secure_delete", "cell_size_check":
		if off {
			return pragmaNothing // they are off
		}
	case "journal_mode":
		if arg == "wal" {
			return pragmaReads // it is; SQLite answers "wal" and does nothing
		}
	case "locking_mode":
		if arg == "normal" {
			return pragmaNothing
		}
	case "encoding":
		if arg == "utf-8" {
			return pragmaNothing
		}
	}
	return pragmaRefused
}

// pragmaGetters only read when they have no value.
var pragmaGetters = map[string]bool{
	"analysis_limit": true, "application_id": true, "auto_vacuum": true, "automatic_index": true, "busy_timeout": true,
	"cache_size": true, "cache_spill": true, "cell_size_check": true, "checkpoint_fullfsync": true, "data_version": true,
	"defer_foreign_keys": true, "encoding": true, "foreign_keys": true, "freelist_count": true, "fullfsync": true,
	"hard_heap_limit": true, "ignore_check_constraints": true, "journal_mode": true, "journal_size_limit": true,
	"legacy_alter_table": true, "locking_mode": true, "max_page_count": true, "mmap_size": true, "page_count": true,
	"page_size": true, "query_only": true, "read_uncommitted": true, "recursive_triggers": true,
	"reverse_unordered_selects": true, "schema_version": true, "secure_delete": true, "soft_heap_limit": true,
	"synchronous": true, "temp_store": true, "threads": true, "trusted_schema": true, "user_version": true,
	"wal_autocheckpoint": true, "writable_schema": true,
}
