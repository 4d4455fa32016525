#!/usr/bin/env bash
# Uploads a file to a local Glacier with the upload example. Kills the upload during the transfer, resumes it from its
# journal, and compares the archive with the file.
#
# usage: demo.sh EMULATOR EXAMPLES FILE      (make demo FILE=... runs it)
# environment: PART_SIZE, WORKERS, MEMORY: options of the upload example
#              TLS=1: use HTTPS
#              STORAGE=disk: keep the archive (default); STORAGE=hashes: keep only its tree hash, for very large files
set -euo pipefail

emulator=$1 examples=$2 file=$3
storage=${STORAGE:-disk}
case $storage in
disk | hashes) ;;
*) echo "demo: STORAGE must be disk or hashes, not $storage" >&2 && exit 2 ;;
esac

data=$(mktemp -d)
stop() {
    # A background process does not receive Ctrl-C.
    [[ -z ${upload_pid:-} ]] || kill -KILL "$upload_pid" 2>/dev/null || true
    # The emulator exits when its standard input is closed.
    if [[ -n ${emulator_pid:-} ]]; then
        exec {to_emulator}>&-
        wait "$emulator_pid" || true
    fi
    rm -rf "$data"
}
trap stop EXIT

options=(--port 0 --storage "$storage" --data "$data" --until-stdin-closes --print-exports)
if [[ -n ${TLS:-} ]]; then
    options+=(--tls --ca-out "$data/ca.pem")
fi
mkfifo "$data/in" "$data/out"
"$emulator" "${options[@]}" <"$data/in" >"$data/out" &
emulator_pid=$!
exec {to_emulator}>"$data/in" {from_emulator}<"$data/out"
# Endpoint, region, credentials and CA file of the local Glacier, instead of those of the user. The last line has the process
# ID.
exports=
while IFS= read -r line <&"$from_emulator"; do
    exports+=$line$'\n'
    [[ $line != "export GLACIER_EMULATOR_PID="* ]] || break
done
[[ -n $exports ]] || exit 1 # the local Glacier has printed why it did not start
eval "$exports"
echo "a local Glacier listens at $AWS_ENDPOINT_URL_GLACIER"

upload=("$examples/upload" --description="uploaded by the demo" --journal="$data/journal" ${PART_SIZE:+--part-size="$PART_SIZE"}
    ${WORKERS:+--workers="$WORKERS"} ${MEMORY:+--memory="$MEMORY"} -- examplevault "$file")

# Kills the upload when its journal has a part, unless it ends earlier. Then runs the same command again.
"${upload[@]}" >"$data/result" &
upload_pid=$!
while kill -0 "$upload_pid" 2>/dev/null && ! grep -qs '{"part":' "$data/journal"; do sleep 0.01; done
kill -KILL "$upload_pid" 2>/dev/null || true
code=0
wait "$upload_pid" 2>/dev/null || code=$?
if ((code == 137)); then
    [[ ! -t 2 ]] || echo >&2 # end the line of the progress bar
    echo "killed with $(grep -c '{"part":' "$data/journal") parts in the journal; running the same command again:"
    code=0
    "${upload[@]}" >"$data/result" || code=$?
fi
cat "$data/result"
((code == 0)) || exit "$code"

if [[ $storage == disk ]]; then
    cmp -- "$file" "$data/archives/$(sed -n 's/^archive-id: //p' "$data/result")"
    echo "the archive is identical to the file"
else
    [[ $("$examples/treehash" - <"$file") == "$(sed -n 's/^tree-hash: //p' "$data/result")  -" ]]
    echo "the archive has the same tree hash as the file"
fi
