#!/usr/bin/env bash
# Two people talk over Secure Chat with nothing but bash, curl, and the small helper for the cryptography.
# Usage: SECURE_CHAT_URL=http://127.0.0.1:3000 examples/curl.sh
set -euo pipefail

url=${SECURE_CHAT_URL:-http://127.0.0.1:3000}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
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
crypto() { node "$here/secure-chat-crypto.mjs" "$@"; }

# api PATH [CURL-OPTION]...: prints the answer; a refusal (RFC 9457 problem details) ends the script.
api() {
  local path=$1 answer
  shift
  answer=$(curl --silent --show-error --fail-with-body \
    --header 'Content-Type: application/json' "$@" "$url$path") || fail "$path: $answer"
  printf '%s\n' "$answer"
}

# register FOLDER USERNAME: the keys are made here, and only the public ones leave.
# Secrets go through files and pipes, never through a command line, which other users of the machine can see.
register() {
  local password device token
  crypto keygen "$1" > /dev/null
  password=$(crypto uuid)
  device=$(crypto device-add "$2" "$1")
  printf '{"username":"%s","password":"%s","device":%s}' "$2" "$password" "$device" |
    api /v1/auth/register --data-binary @- > "$1/session.json"
  token=$(crypto json accessToken < "$1/session.json")
  printf 'Authorization: Bearer %s\n' "$token" > "$1/token"
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

suffix=$(crypto uuid)
alice=alice-${suffix%%-*}
bob=bob-${suffix%%-*}
text='Hello Bob, only you can read this. ✓'

step "$alice and $bob each make a device (a signing and an encryption key pair) and register it"
register alice "$alice"
register bob "$bob"

step 'Alice looks both up: signed chains say which devices are theirs'
# Each answer goes into a file named after the user asked for: the helper refuses the chain of anybody else.
api "/v1/users/$alice" --header @alice/token > "alice/$alice.json"
api "/v1/users/$bob" --header @alice/token > "alice/$bob.json"

step 'Alice creates a direct conversation: a statement of who belongs to it, signed by her device'
crypto conversation alice direct "alice/$alice.json" "alice/$bob.json" > alice/conversation.json
api /v1/conversations --header @alice/token --data-binary @alice/conversation.json > alice/answer.json
conversation=$(crypto json id < alice/conversation.json)

step 'Alice makes a session key, wraps it for every device of both, and shares it through the server'
api "/v1/conversations/$conversation/roster" --header @alice/token > alice/roster.json
crypto session-key alice "$conversation" "alice/$alice.json" "alice/$bob.json" \
  < alice/roster.json > alice/session-key.json
api "/v1/conversations/$conversation/session-keys" --header @alice/token \
  --data-binary @alice/session-key.json > alice/answer.json
session_key=$(crypto json id < alice/session-key.json)

step 'Bob finds the conversation, checks who made its session key and for whom, and unwraps it'
api /v1/conversations --header @bob/token > bob/conversations.json
conversation=$(crypto json items.0.id < bob/conversations.json)
api "/v1/users/$alice" --header @bob/token > "bob/$alice.json"
api "/v1/users/$bob" --header @bob/token > "bob/$bob.json"
api "/v1/conversations/$conversation/session-keys" --header @bob/token > bob/session-keys.json
crypto unwrap bob "$conversation" "bob/$alice.json" "bob/$bob.json" < bob/session-keys.json > bob/session-key

step 'Bob listens for events (SSE), as a curl in the background that writes into a pipe'
mkfifo bob/events
curl --silent --show-error --fail --no-buffer --header @bob/token --header 'Accept: text/event-stream' \
  "$url/v1/events" > bob/events &
stream=$!
exec 3< bob/events
next_event ready > bob/ready.json

step "Alice writes: $text"
printf '%s' "$text" | crypto seal alice "$session_key" > alice/message.json
ciphertext=$(crypto json ciphertext < alice/message.json)
step "Alice sends it. What the server gets to see: ${ciphertext:0:48}..."
api "/v1/conversations/$conversation/messages" --header @alice/token \
  --data-binary @alice/message.json > alice/answer.json

next_event message > bob/event.json
crypto open bob < bob/event.json > bob/opened.json
received=$(crypto json text < bob/opened.json)
step "Bob receives the event, checks who signed it, and decrypts: $received"
[ "$received" = "$text" ] || fail 'this is not what Alice wrote'

api "/v1/conversations/$conversation/messages?after=0" --header @bob/token > bob/history.json
crypto json items.0 < bob/history.json | crypto open bob > bob/opened.json
received=$(crypto json text < bob/opened.json)
step "Bob reads the conversation's history and decrypts again: $received"
[ "$received" = "$text" ] || fail 'this is not what Alice wrote'

step 'Done'
