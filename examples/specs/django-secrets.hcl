# A Django site whose secrets are not in this file.
#
# The overrides are laid over the site's settings after they were loaded (they
# become django.json in the app folder, which only the app's user can read):
# dictionaries merge, lists are appended, all else is replaced.
#
# What went through file() or sensitive() is printed as (sensitive) by every
# command, log line and metric.
locals {
  secrets = "/etc/wsgid.d/secrets/shop"
  domain  = "shop.example.org"
}

app "shop" {
  loader = "django"
  user   = "shop"

  sockets {
    http {
      listen = "127.0.0.1:8001"
    }
  }

  env = {
    TZ         = "UTC"
    SENTRY_DSN = sensitive(env("SHOP_SENTRY_DSN", "")) # of the daemon's environment
  }

  workers {
    min             = 1 # between the two the load decides
    max             = 8
    threads         = 4
    request_timeout = "30s"
    max_requests    = 10000 # a worker is replaced after so many, the new one first
    max_memory      = "512MiB"
  }

  django {
    settings = "shop.settings.production"
    overrides = {
      DEBUG         = false
      ALLOWED_HOSTS = [local.domain, "www.${local.domain}"]
      SECRET_KEY    = trimspace(file("${local.secrets}/secret_key"))
      DATABASES = {
        default = {
          ENGINE   = "django.db.backends.postgresql"
          NAME     = "shop"
          USER     = "shop"
          HOST     = "127.0.0.1"
          PASSWORD = trimspace(file("${local.secrets}/db_password"))
        }
      }
    }
  }

  request {
    max_body        = "20MiB"
    trusted_proxies = ["127.0.0.1/32"] # whose X-Forwarded-For and -Proto are believed
  }

  health {
    path     = "/healthz/"
    host     = local.domain # Django answers no name that is not in ALLOWED_HOSTS
    interval = "10s"
    timeout  = "2s"
    failures = 3
  }
}
