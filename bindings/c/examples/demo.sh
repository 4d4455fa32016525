#!/usr/bin/env bash
# Uploads a file to a local Glacier through the upload example, which is killed on the way and carries on from its journal,
# and shows that what arrived is the file.
#
# usage: demo.sh EMULATOR EXAMPLES FILE      (make demo FILE=... runs it)
# environment: PART_SIZE, WORKERS, MEMORY: for upload; TLS=1: HTTPS;
#              STORAGE: disk (default) keeps the archive; hashes keeps its tree hash only, for files too large for that
set -euo pipefail

emulator=$1 examples=$2 file=$3
storage=${STORAGE:-disk}
case $storage in
disk | hashes) ;;
*) echo "demo: STORAGE is disk or hashes, not $storage" >&2 && exit 2 ;;
esac

data=$(mktemp -d)
stop() {
    # One in the background does not hear of Ctrl-C.
    [[ -z ${upload_pid:-} ]] || kill -KILL "$upload_pid" 2>/dev/null || true
    # The emulator ends when its standard input does.
    if [[ -n ${emulator_pid:-} ]]; then
        exec {to_emulator}>&-
        wait "$emulator_pid" || true
    fi
    rm -rf "$data"
}
trap stop EXIT

options=(--port 0 --storage "$storage" --data "$data" --until-stdin-closes)
if [[ -n ${TLS:-} ]]; then
    options+=(--tls --ca-out "$data/ca.pem")
fi
mkfifo "$data/in" "$data/out"
"$emulator" "${options[@]}" <"$data/in" >"$data/out" &
emulator_pid=$!
exec {to_emulator}>"$data/in" {from_emulator}<"$data/out"
read -r endpoint <&"$from_emulator"
echo "a local Glacier listens at $endpoint"

# The credentials, region and vault that the local Glacier knows from the start.
export AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY
unset AWS_SESSION_TOKEN
upload=("$examples/upload" --endpoint="$endpoint" --region=us-east-1 --description="uploaded by the demo"
    --journal="$data/journal" ${TLS:+--ca-file="$data/ca.pem"} ${PART_SIZE:+--part-size="$PART_SIZE"}
    ${WORKERS:+--workers="$WORKERS"} ${MEMORY:+--memory="$MEMORY"} -- examplevault "$file")

# Killed as soon as a part is in its journal, or over by itself before that; then the same command again.
"${upload[@]}" >"$data/result" &
upload_pid=$!
while kill -0 "$upload_pid" 2>/dev/null && ! grep -qs '{"part":' "$data/journal"; do sleep 0.01; done
kill -KILL "$upload_pid" 2>/dev/null || true
code=0
wait "$upload_pid" 2>/dev/null || code=$?
if ((code == 137)); then
    [[ ! -t 2 ]] || echo >&2 # behind the bar
    echo "killed, with $(grep -c '{"part":' "$data/journal") of its parts in the journal; the same command again:"
    code=0
    "${upload[@]}" >"$data/result" || code=$?
fi
cat "$data/result"
((code == 0)) || exit "$code"

if [[ $storage == disk ]]; then
    cmp -- "$file" "$data/archives/$(sed -n 's/^archive-id: //p' "$data/result")"
    echo "the archive is the file"
else
    [[ $("$examples/treehash" - <"$file") == "$(sed -n 's/^tree-hash: //p' "$data/result")  -" ]]
    echo "the archive has the tree hash of the file"
fi
