# As zmq.hcl, with the transport in a process of its own. Build it with "make plugins"
# and trust it with "ramet plugin lock --assembly examples/assembly/zmq-external.hcl".

kernel {
  failover = "auto"
}

plugin "transport-zmq" {
  path = "../../bin/plugins/transport-zmq"
  env  = ["XDG_RUNTIME_DIR"] # where the sockets lie
}

plugin "failover-lease" {}
plugin "store-sqlite" {}
