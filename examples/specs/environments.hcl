# One app in two environments: they become the apps gazette-dev and
# gazette-production, and gazette itself does not run.
#
# What stands in the app block holds for both; an environment has the last word.
# Their folders are /var/wsgid/gazette-dev and /var/wsgid/gazette-production, so the
# app block has no path, and each environment has sockets of its own.
#
#     wsgid-fleet reload gazette production
#     wsgid-fleet logs -f gazette-dev
app "gazette" {
  wsgi_app = "gazette.wsgi:application"
  env      = { TZ = "UTC", CACHE = "on" }

  workers {
    request_timeout = "20s"
  }

  environment "dev" {
    debug = true
    env   = { CACHE = "off" } # and TZ of the app block

    sockets {
      http {
        listen = "127.0.0.1:8021"
      }
    }
  }

  environment "production" {
    sockets {
      http {
        listen = "127.0.0.1:8020"
      }
    }

    workers {
      count = 4 # and request_timeout of the app block
    }
  }
}
