# The app of the flavor guide, with an environment "dev".
app "wsgiapp" {
  wsgi_app = "wsgiapp.main:application" # wsgi_entrypoint

  deploy {
    repository = "file://${env("WSGID_DEMO")}/src/wsgiapp"
    branch     = "master" # repo_branch
    commit     = "HEAD"   # repo_commit
  }

  environment "dev" {
    sockets {
      http { listen = "127.0.0.1:8600" }
    }
    workers { count = 1 } # backends
  }
}
