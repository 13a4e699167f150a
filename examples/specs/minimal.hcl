# The least an app needs: a name and a socket.
#
# The app folder is /var/wsgid/hello (see path and, in defaults.hcl, root). The
# loader looks into its folder app/ for a Django project, a pyroutes app or what
# a plugin in plugins/ knows; wsgi_app says it outright.
app "hello" {
  wsgi_app = "hello:application" # app/hello.py, the callable application

  sockets {
    http {
      listen = "127.0.0.1:8000"
    }
  }
}
