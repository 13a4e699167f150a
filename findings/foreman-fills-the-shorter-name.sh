#!/usr/bin/env bash
# foreman 0.87.2 (Debian 12: ruby-foreman 0.87.2-2)
#
# Guess: a line of a Procfile is a shell's: foreman gives it the variables of .env, and
# $APP_HOME is the variable APP_HOME, '$APP' in single quotes is text.
# What happens: before a shell sees the line foreman puts each variable of .env in as
# text, one after the other in the order of .env: with APP=shop before APP_HOME, $APP_HOME
# becomes shop_HOME, and single quotes keep nothing from it. ${APP_HOME} and an APP_HOME
# that stands before APP are as one would think.
# Who is hurt: whoever adds a variable to .env whose name begins another one's: a process
# starts with a path or a password that nobody wrote, by where a line was added.
. "$(dirname "$(readlink -f "$0")")/lib"
debian ruby-foreman=0.87.2-2
mkdir app && cd app
export RUBYLIB="$WORK/root/usr/lib/ruby/vendor_ruby:$WORK/root/usr/share/rubygems-integration/all"
run() { ruby -e 'require "foreman"; require "foreman/process"; require "foreman/env"; require "foreman/procfile"
env = {}
Foreman::Env.new(".env").entries { |k, v| env[k] = v }
Foreman::Procfile.new("Procfile").entries { |name, command| Process.wait(Foreman::Process.new(command, :env => env, :cwd => ".").run) }'; }
echo "web: echo \$APP_HOME '\$APP' \${APP_HOME}" >Procfile
printf 'APP=shop\nAPP_HOME=/srv/shop\n' >.env
expect 'version' '0.87.2' "$(ruby -e 'require "foreman/version"; puts Foreman::VERSION')"
expect 'the shorter name first' 'shop_HOME shop /srv/shop' "$(run)"
printf 'APP_HOME=/srv/shop\nAPP=shop\n' >.env
expect 'the longer name first' '/srv/shop shop /srv/shop' "$(run)"
