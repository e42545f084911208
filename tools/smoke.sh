#!/usr/bin/env bash
# Does a built server start, serve and stop?
#
# usage: tools/smoke.sh [NODE_BINARY [APP_FOLDER]]
#
# Starts APP_FOLDER/build/src/server/main.js with an empty data folder on a free port, waits until it is ready,
# runs examples/curl.sh against it and expects it to end by itself, with success, within ten seconds of SIGTERM.
set -euo pipefail

repository=$(cd "$(dirname "$0")/.." && pwd)
node=$(realpath "$(command -v "${1:-node}")")
app=$(cd "${2:-$repository}" && pwd)
folder=$(mktemp -d)
server=

fail() {
  echo "smoke: $1" >&2
  echo 'smoke: the last lines of the server:' >&2
  tail -n 40 "$folder/log" >&2 || true
  exit 1
}

clean() {
  if [ -n "$server" ]; then kill -KILL "$server" 2>/dev/null || true; fi
  rm -rf "$folder"
}
trap clean EXIT

# Wait up to $1 seconds for the command that follows.
within() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    if [ "$SECONDS" -ge "$end" ]; then return 1; fi
    sleep 0.1
  done
}

alive() { kill -0 "$server" 2>/dev/null; }
gone() { ! alive; }
ready() { ! alive || curl --fail --silent --show-error --max-time 5 --output "$folder/ready" "$url/readyz" 2>/dev/null; }

port=$("$node" -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close() })')
url=http://127.0.0.1:$port
echo "smoke: $("$node" --version), $url, $app"

cd "$folder"
env -u DATABASE_URL NODE_ENV=production DATA_DIR="$folder/data" SERVER_HOST=127.0.0.1 SERVER_PORT="$port" \
  "$node" "$app/build/src/server/main.js" >"$folder/log" 2>&1 </dev/null &
server=$!

within 60 ready || fail 'the server was not ready within 60 seconds'
alive || fail 'the server ended before it was ready'
echo "smoke: ready after $SECONDS s"

if [ -f "$repository/examples/curl.sh" ]; then
  (cd "$repository" && SECURE_CHAT_URL=$url timeout 120 bash examples/curl.sh </dev/null) || fail 'examples/curl.sh failed'
  echo 'smoke: examples/curl.sh went through'
fi

kill -TERM "$server"
within 10 gone || fail 'the server was still there 10 seconds after SIGTERM'
status=0
wait "$server" || status=$?
server=
[ "$status" -eq 0 ] || fail "the server ended with status $status after SIGTERM"
echo 'smoke: ended with status 0 after SIGTERM'
