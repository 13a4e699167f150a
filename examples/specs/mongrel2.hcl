# An app behind mongrel2. In the server's configuration it is
#
#     board = Handler(send_spec='tcp://127.0.0.1:9997', send_ident='board',
#                     recv_spec='tcp://127.0.0.1:9996', recv_ident='')
#
# One handler serves one app: each app has a pair of endpoints of its own. Where several
# apps share a host, mongrel2 (1.12.2) gives a path that is the beginning of a route to
# that route: with routes "/" and "/board", the page /bo of the app at "/" is board's. It
# needs a route of its own. Two servers with the same ipc:// endpoints do not refuse to
# start: the second one takes them over; tcp:// says that they are in use.
app "board" {
  wsgi_app = "board.wsgi:application"

  sockets {
    mongrel2 {
      recv   = "tcp://127.0.0.1:9997" # the handler's send_spec
      send   = "tcp://127.0.0.1:9996" # the handler's recv_spec
      chroot = "/var/mongrel2"        # where the server's upload paths begin
    }

    # The same app can listen on HTTP as well.
    http {
      listen = "127.0.0.1:8003"
    }
  }

  workers {
    count = 4
  }
}
