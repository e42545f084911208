#!/usr/bin/env bash
# A rehearsal of the image's build where there is no container engine.
#
# usage: tools/dockerfile-steps.sh [NODE_BINARY]
#
# Follows the Dockerfile in temporary folders, one per stage, with NODE_BINARY in the place of the base image: it
# obeys WORKDIR, COPY (of what .dockerignore lets through) and every RUN that calls npm; any other RUN it prints and
# leaves out. Then it smoke tests what the last stage holds and checks that the server wrote nothing beside it.
# It cannot show whether the base image exists, who the user is, or what a read-only root file system refuses.
set -euo pipefail

repository=$(cd "$(dirname "$0")/.." && pwd)
node=$(realpath "$(command -v "${1:-node}")")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fail() {
  echo "dockerfile-steps: $1" >&2
  exit 1
}

# The context: .dockerignore refuses everything and then names what is let through.
mkdir "$work/context" "$work/bin"
grep --quiet --line-regexp --fixed-strings '*' "$repository/.dockerignore" || fail '.dockerignore must begin by refusing everything'
while read -r name; do
  cp -R "$repository/$name" "$work/context/$name"
done < <(sed -n 's/^!//p' "$repository/.dockerignore")
ln -s "$node" "$work/bin/node"

copy() {
  local source=$work/context words=() word to
  for word in $1; do
    case $word in
      --from=*) source=$work/stages/${word#--from=} ;;
      --*) fail "COPY with an option that is not known here: $word" ;;
      *) words+=("$word") ;;
    esac
  done
  to=${words[-1]}
  unset 'words[-1]'
  if [ "${to: -1}" = / ]; then mkdir -p "$folder/$to"; else mkdir -p "$(dirname "$folder/$to")"; fi
  for word in "${words[@]}"; do
    # A folder's contents go into the target, a file becomes the target.
    if [ -d "$source/$word" ]; then cp -R "$source/$word/." "$folder/$to"; else cp "$source/$word" "$folder/$to"; fi
  done
}

run() {
  case $1 in
    npm\ *) (cd "$folder" && env -u NODE_ENV PATH="$work/bin:$PATH" bash -euc "$1" </dev/null) ;;
    *) echo "dockerfile-steps: [$stage] left out: RUN $1" ;;
  esac
}

stage='' folder=''
while read -r instruction rest; do
  case $instruction in
    FROM)
      stage=${rest##* AS }
      folder=$work/stages/$stage
      mkdir -p "$folder"
      ;;
    WORKDIR)
      folder=$work/stages/$stage$rest
      mkdir -p "$folder"
      ;;
    COPY)
      echo "dockerfile-steps: [$stage] COPY $rest"
      copy "$rest"
      ;;
    RUN)
      echo "dockerfile-steps: [$stage] RUN $rest"
      run "$rest"
      ;;
    CMD) [ "$rest" = '["node", "build/src/server/main.js"]' ] || fail 'CMD is not what tools/smoke.sh starts' ;;
    ARG | ENV | EXPOSE | HEALTHCHECK | LABEL | STOPSIGNAL | USER | VOLUME) ;;
    *) fail "an instruction that is not known here: $instruction" ;;
  esac
done < <(sed -e '/^#/d' -e '/^$/d' "$repository/Dockerfile" | sed -e ':join' -e '/\\$/N; s/ *\\\n */ /; t join')

before=$(find "$folder" | sort)
"$repository/tools/smoke.sh" "$node" "$folder"
[ "$before" = "$(find "$folder" | sort)" ] || fail 'the server wrote into the folder of the application'
echo "dockerfile-steps: the image would hold $(du -sh "$folder" | cut -f 1) in ${folder#"$work/stages/$stage"}"
