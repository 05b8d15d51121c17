# Linked-in plugins, told what to do. See docs/assembly.md.

kernel {
  failover   = "auto"
  durability = "process" # outlives killed processes, not a power loss
  data       = "app.db"  # beside this file
  ttl        = "1s"      # displace a stopped primary sooner than after 3 s
}

plugin "transport-unix" {} # ports, transport
plugin "failover-lease" {} # lock, watcher
plugin "store-sqlite" {}   # store
