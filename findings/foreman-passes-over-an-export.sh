#!/usr/bin/env bash
# foreman 0.87.2 (Debian 12: ruby-foreman 0.87.2-2)
#
# Guess: a line of .env that a shell reads, "export B=2", or python-dotenv, "C = 3", is read
# by foreman too, or refused; and a comment behind a value is none of the value.
# What happens: a line with export, with a blank before its name or before =, or with a
# sign in its name that is none of a letter, digit or _ says nothing, without a word: the
# program starts without the variable. What stands behind a value is the value's: 4 # four;
# with quotes before it, the quotes too.
# Who is hurt: who has one .env for a shell, for Compose and for foreman: a password
# arrives with quotes and a comment, or not at all, and the program's default counts.
. "$(dirname "$(readlink -f "$0")")/lib"
debian ruby-foreman=0.87.2-2
export RUBYLIB="$WORK/root/usr/lib/ruby/vendor_ruby:$WORK/root/usr/share/rubygems-integration/all"
cat >.env <<'ENV'
A=1
export B=2
C = 3
D=4 # four
E="5" # five
 F=6
ENV
expect 'version' '0.87.2' "$(ruby -e 'require "foreman/version"; puts Foreman::VERSION')"
expect 'what foreman knows' 'A=1,D=4 # four,E="5" # five' "$(ruby -e 'require "foreman"; require "foreman/env"
Foreman::Env.new(".env").entries { |name, value| puts "#{name}=#{value}" }' | paste -sd,)"
