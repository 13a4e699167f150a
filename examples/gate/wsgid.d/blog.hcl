app "blog" {
  wsgi_app = "blog:application"
  hosts    = ["blog.localhost", "*.blog.localhost"] # a whole name comes before a wildcard
}
