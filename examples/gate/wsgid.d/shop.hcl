app "shop" {
  wsgi_app = "shop:application"
  hosts    = ["shop.localhost"]
}
