// Package kamal reads what kamal deploys (2.12): config/deploy.yml with its destinations, the
// secrets beside it, and the Dockerfile of the image, which says what the web role runs. Ruby
// in the files (ERB) is not run, and no command of the secrets is.
package kamal
