# Two sites by name on one port: the gate brings each connection to the app that has
# the name, and is not a proxy.
gate {
  http { listen = "0.0.0.0:80" }
  http { listen = "[::]:80" }

  # HTTPS: the certificate of all apps that have no tls block of their own. The plain
  # listeners may then say: redirect = "https"
  # http {
  #   listen = "*:443"
  #   tls {
  #     cert = "/etc/ssl/sites.pem"
  #     key  = "/etc/ssl/sites.key"
  #   }
  # }

  # default        = "gated-blog"     # the app for all other names, which get 421 else
  # proxy_protocol = ["10.0.0.0/8"]   # load balancers that send a PROXY header
}

app "gated-blog" {
  wsgi_app = "blog.wsgi:application"
  hosts    = ["blog.example.org", "*.blog.example.org"]
}

app "gated-shop" {
  wsgi_app = "shop.wsgi:application"
  hosts    = ["shop.example.org"]
}
