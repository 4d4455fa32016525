#!/usr/bin/env bash
# Uploads a file to a local Glacier through the upload example, and shows that what arrived is the file.
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
code=0
"$examples/upload" --endpoint="$endpoint" --region=us-east-1 --description="uploaded by the demo" \
    ${TLS:+--ca-file="$data/ca.pem"} ${PART_SIZE:+--part-size="$PART_SIZE"} ${WORKERS:+--workers="$WORKERS"} \
    ${MEMORY:+--memory="$MEMORY"} -- examplevault "$file" >"$data/result" || code=$?
cat "$data/result"
((code == 0)) || exit "$code"

if [[ $storage == disk ]]; then
    cmp -- "$file" "$data/archives/$(sed -n 's/^archive-id: //p' "$data/result")"
    echo "the archive is the file"
else
    [[ $("$examples/treehash" - <"$file") == "$(sed -n 's/^tree-hash: //p' "$data/result")  -" ]]
    echo "the archive has the tree hash of the file"
fi
