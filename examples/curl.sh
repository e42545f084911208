#!/usr/bin/env bash
# Two people talk over Secure Chat with curl. `secure-chat` does what a shell can't: it makes their devices and keys,
# seals what is posted, and opens what comes. See docs/cli.md for its commands, docs/protocol.md for what they do.
# Usage: SECURE_CHAT_URL=http://127.0.0.1:3000 examples/curl.sh
set -euo pipefail

url=${SECURE_CHAT_URL:-http://127.0.0.1:3000}
program=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)/build/src/cli/secure-chat.js
umask 077 # the temporary files hold keys and tokens
folder=$(mktemp -d)
stream='' # the process id of bob's event stream

cleanup() {
  local status=$?
  if [ -n "$stream" ]; then
    kill "$stream" 2> /dev/null || true
    wait "$stream" 2> /dev/null || true
  fi
  rm -rf "$folder"
  if [ "$status" -ne 0 ]; then echo 'curl.sh: failed' >&2; fi
  exit "$status"
}
trap cleanup EXIT
cd "$folder"

step() { printf '* %s\n' "$*"; }
fail() { printf 'curl.sh: %s\n' "$*" >&2; exit 1; }
[ -f "$program" ] || fail 'there is no secure-chat yet; make it: npm ci && npm run build'

# Each of the two is a profile of the program, as each would be a person with a machine of their own.
export SECURE_CHAT_URL=$url SECURE_CHAT_HOME=$folder/home SECURE_CHAT_PASSWORD
SECURE_CHAT_PASSWORD=$(head -c 18 /dev/urandom | base64)
chat() { node "$program" --profile "$@"; }

# json PATH: one value of the JSON on stdin, such as `json message.ciphertext`.
json() {
  node -e 'let value = JSON.parse(require("fs").readFileSync(0, "utf8"))
    for (const name of process.argv[1].split(".")) value = value[name]
    console.log(typeof value === "string" ? value : JSON.stringify(value))' "$1"
}

# api PATH [CURL-OPTION]...: prints the answer; a refusal (RFC 9457 problem details) ends the script.
api() {
  local path=$1 answer
  shift
  answer=$(curl --silent --show-error --fail-with-body \
    --header 'Content-Type: application/json' "$@" "$url$path") || fail "$path: $answer"
  printf '%s\n' "$answer"
}

# log_in PROFILE: a session of the profile's device, for curl. A message is taken from the device that has signed it.
# Secrets go through files and pipes, never through a command line, which other users of the machine can see.
log_in() {
  chat "$1" whoami --json > "$1.json"
  printf '{"username":"%s","password":"%s","deviceId":"%s"}' \
    "$(json username < "$1.json")" "$SECURE_CHAT_PASSWORD" "$(json deviceId < "$1.json")" |
    api /v1/auth/login --data-binary @- > session.json
  printf 'Authorization: Bearer %s\n' "$(json accessToken < session.json)" > "$1.token"
}

# next_event NAME: wait on bob's stream for an event of this name and print its data.
# An event is some lines of "field: value", and an empty line ends it.
next_event() {
  local line event='' data='' deadline=$((SECONDS + 20))
  while [ "$SECONDS" -lt "$deadline" ] && IFS= read -r -t 20 line <&3; do
    case $line in
      event:*) event=${line#event:} ;;
      data:*) data=${line#data:} ;;
      '')
        if [ "${event# }" = "$1" ]; then
          printf '%s\n' "${data# }"
          return
        fi
        event='' data=''
        ;;
    esac
  done
  fail "no event named $1 has come"
}

suffix=$(head -c 4 /dev/urandom | od -An -tx1 | tr -d ' \n')
alice=alice-$suffix
bob=bob-$suffix
text='Hello Bob, only you can read this. ✓'

step "$alice and $bob register, each with a device: a signing and an encryption key pair"
chat alice register "$alice" > log 2>&1 || fail "$(< log)"
chat bob register "$bob" > log 2>&1 || fail "$(< log)"
log_in alice
log_in bob

step 'Bob listens for events (SSE), as a curl in the background that writes into a pipe'
mkfifo events
curl --silent --show-error --fail --no-buffer --header @bob.token --header 'Accept: text/event-stream' \
  "$url/v1/events" > events &
stream=$!
exec 3< events
next_event ready > ready.json

step "Alice writes: $text"
printf '%s' "$text" | chat alice seal "$bob" --json > sealed.json
json message < sealed.json > message.json
ciphertext=$(json ciphertext < message.json)
step "Alice posts it. What the server gets to see: ${ciphertext:0:48}..."
path=$(json path < sealed.json)
api "$path" --header @alice.token --data-binary @message.json > receipt.json

next_event message > event.json
received=$(chat bob open < event.json | json body)
step "Bob receives the event, checks who signed it, and decrypts: $received"
[ "$received" = "$text" ] || fail 'this is not what Alice wrote'

received=$(api "$path?limit=1" --header @bob.token | chat bob open | json body)
step "Bob reads the conversation's history and decrypts again: $received"
[ "$received" = "$text" ] || fail 'this is not what Alice wrote'

step 'Done'
