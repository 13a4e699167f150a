#!/usr/bin/env bash
# github.com/joho/godotenv v1.5.1, github.com/compose-spec/compose-go/v2 v2.16.2 (its
# package dotenv), python-dotenv 0.21.0 (Debian 12: python3-dotenv 0.21.0-1)
#
# Guess: three readers of .env files differ in corners, but a password with a dollar
# in it and ${NAME:-default} are read alike, or refused.
# What happens: of the line PASSWORD=pa$word godotenv and python-dotenv keep all and
# Compose keeps "pa"; of PASSWORD=PA$WORD godotenv keeps "PA" as well, because it
# knows variables in capitals only. ${HOST:-local} is "local" for Compose and
# python-dotenv and ":-local}" for godotenv. No reader gives an error.
# Who is hurt: whoever runs one .env file in development with Compose and in
# production with something else: the password is cut in one of them, and which
# one depends on the case of its letters.
. "$(dirname "$(readlink -f "$0")")/lib"
cat >main.go <<'GO'
package main

import (
	"fmt"
	"os"

	compose "github.com/compose-spec/compose-go/v2/dotenv"
	"github.com/joho/godotenv"
)

func main() {
	text, _ := os.ReadFile("a.env")
	a, err1 := godotenv.Unmarshal(string(text))
	b, err2 := compose.UnmarshalWithLookup(string(text), func(string) (string, bool) { return "", false })
	if err1 != nil || err2 != nil {
		panic(fmt.Sprint(err1, err2))
	}
	fmt.Println("godotenv", a["LOWER"], a["UPPER"], a["DEFAULT"])
	fmt.Println("compose", b["LOWER"], b["UPPER"], b["DEFAULT"])
}
GO
cat >a.env <<'ENV'
LOWER=pa$word
UPPER=PA$WORD
DEFAULT=${HOST:-local}
ENV
modules github.com/joho/godotenv@v1.5.1 github.com/compose-spec/compose-go/v2@v2.16.2
debian python3-dotenv=0.21.0-1
expect 'in Go' $'godotenv pa$word PA :-local}\ncompose pa PA local' "$(./probe 2>/dev/null)"
expect 'in Python' 'pa$word PA$WORD local' "$(/usr/bin/python3 -c '
from dotenv import dotenv_values
v = dotenv_values("a.env")
print(v["LOWER"], v["UPPER"], v["DEFAULT"])')"
