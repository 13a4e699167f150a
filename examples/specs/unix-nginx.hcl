# An app behind nginx, over a unix socket. In nginx:
#
#     location / {
#         proxy_pass http://unix:/run/wsgid-wiki.sock;
#         proxy_http_version 1.1;
#         proxy_set_header Connection "";
#         proxy_set_header Host $host;
#         proxy_set_header X-Forwarded-For $remote_addr;
#         proxy_set_header X-Forwarded-Proto $scheme;
#     }
app "wiki" {
  wsgi_app = "wiki.wsgi:application"
  user     = "wiki"

  sockets {
    http {
      listen = "unix:/run/wsgid-wiki.sock"
      mode   = "0660"
      owner  = "wiki"
      group  = "www-data" # nginx's
    }
  }

  request {
    # Who may connect to the socket is told by its mode, owner and group: of him the
    # client's address and scheme are believed.
    trusted_proxies = ["unix"]
    max_body        = "50MiB" # nginx has its own limit: client_max_body_size
  }

  limits {
    open_files    = 4096
    address_space = "2GiB"
  }
}
