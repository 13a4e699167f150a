#!/usr/bin/env bash
# foreman 3.0.1 of npm (nf; heroku local of heroku 11.10.0 has the same reader), beside foreman
# 0.87.2 of Ruby (Debian 12: ruby-foreman 0.87.2-2)
#
# Guess: both are foreman, start the same Procfile, and read the same .env alike, as everybody
# does who takes a value without quotes to the end of its line: PASSWORD=pa#ss is pa#ss. In
# double quotes \" is a quote. A file of JSON is no .env.
# What happens: npm's ends a value at the first #, with or without a blank before it, and in
# double quotes at the first quote, also one behind a backslash; blanks around = are nothing
# to it, where Ruby's drops the line. A .env that holds an object of JSON is read as such:
# {"database": {"url": "x"}} is DATABASE_URL. Ruby's takes nothing of that.
# Who is hurt: whoever goes from one to the other, or to a program that reads such files as
# the rest do: passwords and addresses of pages change, and all variables of a .env of JSON are
# gone, without a word on either side.
. "$(dirname "$(readlink -f "$0")")/lib"
debian ruby-foreman=0.87.2-2
export RUBYLIB="$WORK/root/usr/lib/ruby/vendor_ruby:$WORK/root/usr/share/rubygems-integration/all"
npm install --silent --no-fund --no-audit --prefix "$WORK/npm" foreman@3.0.1 >npm.log 2>&1 || { cat npm.log >&2; exit 1; }
mkdir app && cd app
ruby_has() { ruby -e 'require "foreman"; require "foreman/env"; Foreman::Env.new(".env").entries { |k, v| puts "#{k}=#{v}" }' | sort | paste -sd,; }
npm_has() { node -e 'const { loadEnvs } = require(process.argv[1] + "/lib/envs.js"); const e = loadEnvs(".env"); delete e.PATH; for (const k of Object.keys(e).sort()) process.stdout.write(k + "=" + e[k] + "\n")' "$WORK/npm/node_modules/foreman" | grep '^[A-Z_0-9]*=' | paste -sd,; }
expect 'version of Ruby' '0.87.2' "$(ruby -e 'require "foreman/version"; puts Foreman::VERSION')"
expect 'version of npm' '3.0.1' "$(node -p 'require(process.argv[1]).version' "$WORK/npm/node_modules/foreman/package.json")"
printf 'PASSWORD=pa#ss\nPAGE=http://x/#top\nQUOTED="a\\"b"\nBLANKS = 1\n' >.env
expect 'Ruby' 'PAGE=http://x/#top,PASSWORD=pa#ss,QUOTED=a"b' "$(ruby_has)"
expect 'npm' 'BLANKS=1,PAGE=http://x/,PASSWORD=pa,QUOTED=a\' "$(npm_has)"
printf '{"database": {"url": "sqlite:///x"}, "hosts": ["a", "b"], "debug": false}\n' >.env
expect 'Ruby, of JSON' '' "$(ruby_has)"
expect 'npm, of JSON' 'DATABASE_URL=sqlite:///x,DEBUG=false,HOSTS_0=a,HOSTS_1=b' "$(npm_has)"
