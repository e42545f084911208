#!/usr/bin/env bash
# Does the package work where somebody installs it?
#
# usage: tools/package.sh
#
# Packs the project and installs that into an empty folder, as anybody would. There the command line has to print its
# help, to start a server and to end it; two users of the SDK have to exchange a message over that server; and a
# program for browsers has to compile without the types of Node.js.
set -euo pipefail

repository=$(cd "$(dirname "$0")/.." && pwd)
folder=$(mktemp -d)
server=

fail() {
  echo "package: $1" >&2
  tail -n 40 "$folder/log" >&2 2>/dev/null || true
  exit 1
}

clean() {
  if [ -n "$server" ]; then kill -TERM "$server" 2>/dev/null && wait "$server" || true; fi
  rm -rf "$folder"
}
trap clean EXIT

alive() { kill -0 "$server" 2>/dev/null; }

(cd "$repository" && npm pack --silent --pack-destination "$folder" >"$folder/log" 2>&1) || fail 'npm pack failed'
cd "$folder"
tarball=$(echo secure-chat-*.tgz)
echo "package: $(tar -tzf "$tarball" | wc -l) files, $(wc -c <"$tarball") bytes"
if tar -tzf "$tarball" | grep -E '^package/(build/(test|bench)|src|test|tools)/'; then fail 'what is above does not belong in it'; fi

echo '{ "private": true, "type": "module" }' >package.json
npm install --prefer-offline --no-audit --no-fund --loglevel=error "./$tarball" >log 2>&1 || fail 'npm install failed'

npx --no-install secure-chat --help >help || fail '--help failed'
grep -q '^Usage: secure-chat' help || fail '--help says something else'
echo "package: npx secure-chat $(npx --no-install secure-chat --version) prints its help"

port=$(node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close() })')
export SECURE_CHAT_URL=http://127.0.0.1:$port
env -u DATABASE_URL LOG_LEVEL=warn node node_modules/.bin/secure-chat serve --port "$port" --data-dir data \
  >log 2>&1 </dev/null &
server=$!
started=$SECONDS
end=$((SECONDS + 60))
until curl --fail --silent --max-time 5 --output ready "$SECURE_CHAT_URL/readyz"; do
  alive || fail 'the server ended before it was ready'
  [ "$SECONDS" -lt "$end" ] || fail 'the server was not ready within 60 seconds'
  sleep 0.1
done
echo "package: npx secure-chat serve is ready after $((SECONDS - started)) s"

cat >exchange.js <<'PROGRAM'
import { ChatClient, MemoryStore } from 'secure-chat'
import { FileStore } from 'secure-chat/node'
import { buildApp } from 'secure-chat/server'

const url = process.env.SECURE_CHAT_URL
const password = 'correct horse battery staple 42'
const alice = await ChatClient.open({ url, store: new MemoryStore() })
const bob = await ChatClient.open({ url, store: await FileStore.open({ folder: 'bob' }) })
await alice.register({ username: 'alice', password })
await bob.register({ username: 'bob', password })
await alice.send({ username: 'bob' }, 'Hello Bob')
for await (const event of bob.events()) {
  if (event.type !== 'message') continue
  console.log(`package: ${event.from.username} wrote through the SDK: ${event.content.text}`)
  break
}
await alice.close()
await bob.close()
if (typeof buildApp !== 'function') throw new Error('secure-chat/server exports no buildApp')
PROGRAM
timeout 120 node exchange.js || fail 'the SDK did not exchange a message'

kill -TERM "$server"
status=0
wait "$server" || status=$?
server=
[ "$status" -eq 0 ] || fail "serve ended with status $status after SIGTERM"

cat >browser.ts <<'PROGRAM'
import { ChatClient, ChatError, MemoryStore, type Chat, type ChatEvent } from 'secure-chat'

export async function listen(show: (text: string) => void): Promise<void> {
  const chat: Chat = await ChatClient.open({ url: location.origin, store: new MemoryStore() })
  try {
    for await (const event of chat.events()) show(textOf(event))
  } catch (error) {
    if (error instanceof ChatError && error.kind === 'logged-out') show(error.code)
  }
}

function textOf(event: ChatEvent): string {
  return event.type === 'message' && event.content.type === 'text' ? event.content.text : event.type
}
PROGRAM
cat >tsconfig.json <<'CONFIG'
{
  "compilerOptions": {
    "target": "ES2022", "lib": ["ES2022", "DOM"], "types": [], "module": "ESNext", "moduleResolution": "bundler",
    "strict": true, "exactOptionalPropertyTypes": true, "skipLibCheck": false, "noEmit": true
  },
  "files": ["browser.ts"]
}
CONFIG
# Elsewhere there may be no types of Node.js to fall back on.
rm -rf node_modules/@types/node
"$repository/node_modules/.bin/tsc" --project . || fail 'the types of the SDK need more than a browser has'
echo 'package: the types of the SDK stand alone in a browser'
