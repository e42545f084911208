#!/usr/bin/env bash
# Does the image build, and does a container of it behave as docs/operations.md says?
#
# usage: tools/container.sh NODE_BINARY
#
# Builds the Dockerfile with buildah and runs it with podman. No registry of images is needed: the base image is made of
# NODE_BINARY, npm and busybox. Needs root (or sudo), and from Debian: buildah podman runc busybox-static. Where one is
# missing, or where no container runs, it says so and ends with 0.
set -euo pipefail
export PATH="$PATH:/usr/sbin:/sbin"

repository=$(cd "$(dirname "$0")/.." && pwd)
node=$(realpath "$(command -v "$1")")

say() { echo "container: $1"; }
skip() {
  say "skipped: $1"
  exit 0
}

if [ "$(id -u)" -ne 0 ]; then
  sudo -n true 2>/dev/null || skip 'only root can do this'
  exec sudo -n env "PATH=$PATH" "$repository/tools/container.sh" "$node"
fi
for tool in buildah podman runc busybox; do
  command -v "$tool" >/dev/null || skip "$tool is not installed"
done

work=$(mktemp -d)
storage=(--root "$work/store" --runroot "$work/run" --storage-driver overlay)
builder() { timeout 300 buildah "${storage[@]}" "$@"; }
engine() {
  timeout 120 podman "${storage[@]}" --tmpdir "$work/tmp" --runtime "$(command -v runc)" \
    --cgroup-manager cgroupfs --events-backend file "$@"
}

# Podman complains about each health timer where there is no systemd.
quiet() { engine "$@" >"$work/log" 2>&1 || fail "podman $1: $(tail -n 1 "$work/log")"; }

fail() {
  say "FAILED: $1" >&2
  if engine container exists server; then engine logs --tail 40 server >&2 || true; fi
  exit 1
}

clean() {
  engine rm --all --force --time 0 >"$work/log" 2>&1 || true
  builder rm --all >>"$work/log" 2>&1 || true
  umount "$work/store/overlay" 2>/dev/null || true
  rm -rf "$work"
}
trap clean EXIT

# Has all of an image of Node.js that the Dockerfile and the server use. Takes seconds, and no registry.
make_base() {
  local rootfs=$work/rootfs file container
  mkdir -p "$rootfs"/{dev,etc/ssl/certs,home/node,proc,root,sys,tmp,bin,sbin,usr/{bin,sbin,local/{bin,lib/node_modules}}}
  chmod 1777 "$rootfs/tmp"
  cp "$node" "$rootfs/usr/local/bin/node"
  cp "$(command -v busybox)" "$rootfs/bin/busybox"
  for file in $({ ldd "$node" && ldd "$(command -v busybox)"; } 2>/dev/null | grep -o '/[^ ]*'); do
    install -D "$file" "$rootfs$file"
  done
  chroot "$rootfs" /bin/busybox --install -s
  cp -R "$(npm root --global)/npm" "$rootfs/usr/local/lib/node_modules/npm"
  ln -s ../lib/node_modules/npm/bin/npm-cli.js "$rootfs/usr/local/bin/npm"
  cp /etc/ssl/certs/ca-certificates.crt "$rootfs/etc/ssl/certs/"
  printf '%s\n' root:x:0:0::/root:/bin/sh node:x:1000:1000::/home/node:/bin/sh >"$rootfs/etc/passwd"
  printf '%s\n' root:x:0: node:x:1000: >"$rootfs/etc/group"
  container=$(builder from scratch)
  builder add --quiet "$container" "$rootfs" /
  builder config --env PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin \
    --env NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt --cmd node "$container"
  builder commit --quiet --format docker "$container" "$base"
}

# As in compose.yaml. The limits and the health timer are what a machine without systemd refuses.
hardened=(--pull never --log-driver k8s-file --network host --read-only --tmpfs /tmp --cap-drop all
  --security-opt no-new-privileges --ulimit nofile=16384:16384 --ulimit nproc=8192:8192 --health-interval disable)
base=localhost/node:local
image=localhost/secure-chat:local

make_base >"$work/log" 2>&1 || skip "buildah makes no base image here: $(tail -n 1 "$work/log")"
engine run --rm "${hardened[@]}" "$base" sh -c 'node --version && npm --version' >"$work/log" 2>&1 ||
  skip "no container runs here: $(tail -n 1 "$work/log")"

memory=(--memory 512m)
if [ "$(engine run --rm "${hardened[@]}" "${memory[@]}" "$base" node -p 'process.constrainedMemory()' 2>/dev/null)" != 536870912 ]; then
  say 'this machine limits no memory: the first start has as much as it wants'
  memory=()
fi

builder build --isolation chroot --format docker --pull-never --build-arg "NODE_IMAGE=$base" --tag "$image" "$repository" \
  >"$work/log" 2>&1 || { tail -n 40 "$work/log" >&2; fail 'the image does not build'; }
say "the image is built after $SECONDS s, with Node.js $("$node" --version)"

port=$("$node" -e 'const s = require("net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close() })')
url=http://127.0.0.1:$port

state() { engine inspect --format "{{.State.$1}}" server; }
# Wait until the server is ready: $1 says which start this is.
ready() {
  local began=$SECONDS
  until curl --fail --silent --max-time 5 --output /dev/null "$url/readyz"; do
    [ "$(state Running)" = true ] || fail "$1: the server ended with $(state ExitCode)"
    [ $((SECONDS - began)) -lt 60 ] || fail "$1: the server is not ready after 60 s"
    sleep 0.1
  done
  say "$1: ready after $((SECONDS - began)) s"
}

quiet run --detach --name server "${hardened[@]}" "${memory[@]}" --volume data:/data \
  --env SERVER_HOST=127.0.0.1 --env "SERVER_PORT=$port" "$image"
ready "the first start, read-only, without capabilities${memory:+, with 512 MB}"
quiet healthcheck run server
quiet logs server
grep -q '^  Try:   secure-chat register ' "$work/log" || fail 'the banner does not name the program of the image'
[ "$(engine exec server id -u)" = 1000 ] || fail 'the server is not user node'
engine exec server grep -q '^CapEff:.0*$' /proc/1/status || fail 'the server has capabilities'
if engine exec server touch /app/file 2>/dev/null; then fail 'the folder of the application can be written'; fi
say 'the health check passes; uid 1000, no capabilities, nothing but /data and /tmp can be written'

quiet run --detach --name people "${hardened[@]}" --volume people:/data --env SECURE_CHAT_HOME=/data \
  --env "SECURE_CHAT_URL=$url" --env 'SECURE_CHAT_PASSWORD=correct horse battery staple 42' "$image" sleep 600
chat() { engine exec people secure-chat "$@" </dev/null; }
chat register alice --profile alice >"$work/log" 2>&1 && chat register bob --profile bob >>"$work/log" 2>&1 ||
  fail "secure-chat register: $(tail -n 2 "$work/log")"
for n in 1 2 3; do
  chat send bob "message $n" --profile alice >"$work/log" 2>&1 || fail "secure-chat send: $(tail -n 2 "$work/log")"
done
quiet kill --signal KILL server
quiet wait server
quiet start server
ready 'a start after kill -9'
chat accept-request alice --profile bob >"$work/log" 2>&1 || fail "secure-chat accept-request: $(tail -n 2 "$work/log")"
chat history alice --profile bob >"$work/log" 2>&1 || fail "secure-chat history: $(tail -n 2 "$work/log")"
for n in 1 2 3; do grep -q "alice: message $n$" "$work/log" || fail "message $n is lost"; done
say 'alice and bob have registered, and all messages are there after kill -9'

began=$SECONDS
quiet stop --time 15 server
[ "$(state ExitCode)" = 0 ] || fail "the server ended with $(state ExitCode) after SIGTERM"
say "SIGTERM: ended with 0 after $((SECONDS - began)) s"

mkdir "$work/bind"
if engine run --rm "${hardened[@]}" --volume "$work/bind:/data" "$image" >"$work/log" 2>&1; then
  fail 'the server started in a folder of another user'
fi
grep -q 'belongs to uid 0 .* the server runs as uid 1000' "$work/log" || fail "a folder of another user: $(cat "$work/log")"
say 'a folder of another user is refused with both uids'
say "all passed in $SECONDS s"
