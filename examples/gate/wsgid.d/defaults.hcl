# SITES is the copy of this folder that README.md tells to make.
defaults {
  root = "${env("SITES")}/apps"

  static {
    url     = "/static/"
    dir     = "app/static"
    max_age = "1h"
  }
}
