#!/usr/bin/env bash
# foreman 0.87.2 (Debian 12: ruby-foreman 0.87.2-2)
#
# Guess: "foreman start" does what the Procfile and the .env beside it say; another port or
# another number of processes stands on the command line.
# What happens: a file .foreman of the folder gives any option. With "formation: web=2" in
# it the worker of the Procfile is not started at all, without a word; with
# "env: prod.env" the .env is not read, and its PORT is gone too.
# Who is hurt: whoever reads, copies or imports a Procfile and its .env, and does not see the
# third file, which ls does not show: other ports, other variables, other processes.
. "$(dirname "$(readlink -f "$0")")/lib"
debian ruby-foreman=0.87.2-2
export RUBYLIB="$WORK/root/usr/lib/ruby/vendor_ruby:$WORK/root/usr/share/rubygems-integration/all"
unset PORT
mkdir site
cd site
printf 'web: echo "web $PORT $A"; sleep 2\nworker: echo "worker $A"; sleep 2\n' >Procfile
printf 'A=1\nPORT=7000\n' >.env
echo 'A=2' >prod.env
# What the processes print, with the line in .foreman.
printed() {
  printf '%s\n' "$1" >.foreman
  timeout 60 ruby -e 'require "foreman/cli"; Foreman::CLI.start(%w[start])' 2>&1 | sed -n 's/^.* | \(w[a-z]* .*\)/\1/p' | sort | paste -sd,
}
expect 'version' '0.87.2' "$(ruby -e 'require "foreman/version"; puts Foreman::VERSION')"
expect 'an empty file' 'web 7000 1,worker 1' "$(printed '')"
expect 'port' 'web 8080 1,worker 1' "$(printed 'port: 8080')"
expect 'env' 'web 5000 2,worker 2' "$(printed 'env: prod.env')"
expect 'formation' 'web 7000 1,web 7001 1' "$(printed 'formation: web=2')"
