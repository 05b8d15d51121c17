# The default, but for the transport: ZeroMQ instead of plain sockets, so that programs
# in any language can call the primary and follow its events. See docs/zmq-wire.md.

kernel {
  failover = "auto"
}

plugin "transport-zmq" { # ports, transport
  # options {
  #   listen = "ipc,tcp" # also on a port of the loopback interface
  # }
}
plugin "failover-lease" {} # lock, watcher
plugin "store-sqlite" {}   # store
