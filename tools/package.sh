#!/usr/bin/env bash
# Do the two packages work where somebody installs them?
#
# usage: tools/package.sh
#
# Packs the server (secure-chat) and the SDK (secure-chat-client), and installs each into an empty folder of its own.
# The server's command line has to print its help, to start a server and to end it. With the SDK, two users have to
# exchange a message over that server; its types have to compile without those of Node.js, and without those of the
# DOM; and a bundler has to accept it for browsers.
set -euo pipefail

repository=$(cd "$(dirname "$0")/.." && pwd)
tools=$repository/node_modules/.bin
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

# Pack the folder $1 as $2.tgz. It may hold nothing that matches $3.
pack() {
  local tarball
  tarball=$folder/$(cd "$1" && npm pack --silent --pack-destination "$folder" 2>>"$folder/log" | tail -n 1) ||
    fail "npm pack failed in $1"
  mv "$tarball" "$folder/$2.tgz"
  echo "package: $2 has $(tar -tzf "$folder/$2.tgz" | wc -l) files, $(wc -c <"$folder/$2.tgz") bytes"
  if tar -tzf "$folder/$2.tgz" | grep -E "$3"; then fail "$2 holds files that do not belong in it"; fi
}

# Make the folder $1 a project that has only the package $2, of which nothing needs a newer Node.js than this one.
install() {
  mkdir "$folder/$1"
  cd "$folder/$1"
  echo '{ "private": true, "type": "module" }' >package.json
  npm install --engine-strict --prefer-offline --no-audit --no-fund --loglevel=error "$folder/$2.tgz" >"$folder/log" 2>&1 ||
    fail "npm install failed for $2"
}

pack "$repository" secure-chat '^package/(build/(test|bench)|packages|src|test|tools)/'
pack "$repository/packages/client" secure-chat-client '^package/(src|dist/(server|cli|test))/|\.map$'

install server secure-chat
npx --no-install secure-chat --help >help || fail '--help failed'
grep -q '^Usage: secure-chat' help || fail '--help says something else'
echo "package: npx secure-chat $(npx --no-install secure-chat --version) prints its help"
node --input-type=module -e 'import { buildApp } from "secure-chat"; if (typeof buildApp !== "function") process.exit(1)' ||
  fail 'secure-chat exports no buildApp'

port=$(node -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close() })')
export SECURE_CHAT_URL=http://127.0.0.1:$port
env -u DATABASE_URL LOG_LEVEL=warn node node_modules/.bin/secure-chat serve --port "$port" --data-dir data \
  >"$folder/log" 2>&1 </dev/null &
server=$!
started=$SECONDS
end=$((SECONDS + 60))
until curl --fail --silent --max-time 5 --output ready "$SECURE_CHAT_URL/readyz"; do
  alive || fail 'the server ended before it was ready'
  [ "$SECONDS" -lt "$end" ] || fail 'the server was not ready within 60 seconds'
  sleep 0.1
done
echo "package: npx secure-chat serve is ready after $((SECONDS - started)) s"

install client secure-chat-client
packages=$(node -p 'Object.keys(JSON.parse(fs.readFileSync("node_modules/.package-lock.json", "utf8")).packages).length')
[ "$packages" -le 7 ] || fail "secure-chat-client brings $packages packages, more than 7"
echo "package: secure-chat-client brings $packages packages, itself included, of $(du -sh node_modules | cut -f 1)"

cat >exchange.js <<'PROGRAM'
import { ChatClient, MemoryStore, selfTest } from 'secure-chat-client'
import { FileStore } from 'secure-chat-client/node'

await selfTest()
const url = process.env.SECURE_CHAT_URL
const password = 'correct horse battery staple 42'
const alice = await ChatClient.open({ url, store: new MemoryStore() })
const bob = await ChatClient.open({ url, store: await FileStore.open({ folder: 'bob' }) })
await alice.register({ username: 'alice', password })
await bob.register({ username: 'bob', password })
await bob.contacts.setPolicy('everyone')
await alice.send({ username: 'bob' }, 'Hello Bob')
for await (const event of bob.events()) {
  if (event.type !== 'message') continue
  console.log(`package: ${event.from.username} wrote through the SDK: ${event.content.text}`)
  break
}
await alice.close()
await bob.close()
PROGRAM
timeout 120 node exchange.js || fail 'the SDK did not exchange a message'

kill -TERM "$server"
status=0
wait "$server" || status=$?
server=
[ "$status" -eq 0 ] || fail "serve ended with status $status after SIGTERM"

cat >listen.ts <<'PROGRAM'
import { ChatClient, ChatError, MemoryStore, type ChatEvent } from 'secure-chat-client'

export async function listen(url: string, show: (text: string) => void): Promise<void> {
  const chat = await ChatClient.open({ url, store: new MemoryStore() })
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
cat >browser.ts <<'PROGRAM'
import { IndexedDbStore, selfTest } from 'secure-chat-client'
import { listen } from './listen.js'

await selfTest()
await (await IndexedDbStore.open()).close()
await listen(location.origin, (text) => document.body.append(text))
PROGRAM
cat >node.ts <<'PROGRAM'
import { FileStore } from 'secure-chat-client/node'
import { listen } from './listen.js'

await (await FileStore.open({ folder: 'keys' })).close()
await listen(process.argv[2] ?? '', (text) => process.stdout.write(text))
PROGRAM

# Compile the program $1 with the libraries $2 and the types $3, all declaration files checked. Further compiler options
# may follow.
compile() {
  cat >tsconfig.json <<CONFIG
{
  "compilerOptions": {
    "target": "ES2023", "lib": [$2], "types": [$3], "typeRoots": ["$repository/node_modules/@types"],
    "strict": true, "exactOptionalPropertyTypes": true, "skipLibCheck": false, "noEmit": true,
    ${4:-"\"module\": \"NodeNext\""}
  },
  "files": ["$1"]
}
CONFIG
  "$tools/tsc" --project . || fail "$1 does not compile"
}
compile browser.ts '"ES2023", "DOM"' ''
echo 'package: the types of the SDK need nothing but those of a browser'
compile node.ts '"ES2023"' '"node"'
echo 'package: the types of the SDK need nothing but those of Node.js'
compile node.ts '"ES2023"' '"node"' '"module": "ES2022", "moduleResolution": "node10", "ignoreDeprecations": "6.0"'
echo 'package: the types of the SDK are found by programs that still look for packages in the way of Node.js 10'

"$tools/esbuild" browser.ts --bundle --minify --format=esm --platform=browser --target=es2023 --log-level=warning \
  --outfile=browser.js || fail 'the SDK cannot be bundled for a browser'
echo "package: the SDK in a bundle for browsers has $(wc -c <browser.js) bytes, $(gzip -c browser.js | wc -c) compressed"
