# Every stage in a process of its own. Build the programs with "make plugins", trust
# them with "ramet plugin lock --assembly examples/assembly/external.hcl", and use
# them with "ramet run --assembly examples/assembly/external.hcl".

kernel {
  failover = "auto"
}

plugin "transport-unix" {
  path = "../../bin/plugins/transport-unix"
  env  = ["XDG_RUNTIME_DIR"] # where the sockets lie
}

plugin "failover-lease" {
  path = "../../bin/plugins/failover-lease"
}

plugin "store-sqlite" {
  path          = "../../bin/plugins/store-sqlite"
  start_timeout = "5s"

  restart {
    max     = 5
    per     = "1m"
    backoff = "10ms"
  }
}
