# What every app of this directory takes, unless its own file says otherwise.
# WSGID_DEMO is the scratch copy that examples/deploy/run works in.
defaults {
  root = "${env("WSGID_DEMO")}/apps"
}
