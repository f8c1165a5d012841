#!/bin/sh
# Fetches fake-gcs-server, a local stand-in for Google Cloud Storage that minds
# preconditions, into .cache/storage-servers. Needs Go. Does nothing where it is there.
set -eu

version=v1.56.1
module=github.com/fsouza/fake-gcs-server
root=$(cd "$(dirname "$0")/.." && pwd)
folder="$root/.cache/storage-servers"
server="$folder/fake-gcs-server"
stamp="$folder/fake-gcs-server.stamp"
made="$version, batches without Content-ID"

if [ ! -x "$server" ] || [ "$(cat "$stamp" 2>/dev/null)" != "$made" ]; then
    command -v go >/dev/null || {
        echo "Go is needed to fetch fake-gcs-server: see https://go.dev/dl" >&2
        exit 1
    }
    mkdir -p "$folder"
    scratch=$(mktemp -d "$folder/build.XXXXXX")
    trap 'chmod -R u+w "$scratch"; rm -rf "$scratch"' EXIT
    source=$(cd "$scratch" && go mod download -json "$module@$version" |
        sed -n 's/^\t"Dir": "\(.*\)",\{0,1\}$/\1/p')
    cp -R "$source" "$scratch/source"
    chmod -R u+w "$scratch/source"
    # A part of a batch need not have a Content-ID, and Google's client for Python gives
    # none. The server leaves such parts undone and unanswered, so that with Beam, which
    # renames its files in batches, no WriteTo* could ever end.
    sed -i '/missing content ID, skip/{n;s/continue/contentID = ""/;}' \
        "$scratch/source/fakestorage/server.go"
    grep -q 'contentID = ""' "$scratch/source/fakestorage/server.go"
    (cd "$scratch/source" && go build -o "$scratch/server" .)
    mv "$scratch/server" "$server"
    echo "$made" >"$stamp"
fi
echo "$server"
