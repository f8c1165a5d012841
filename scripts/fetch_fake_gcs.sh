#!/bin/sh
# Fetches fake-gcs-server, a local stand-in for Google Cloud Storage that minds
# preconditions, into .cache/storage-servers. Needs Go. Does nothing where it is there.
set -eu

version=v1.56.1
root=$(cd "$(dirname "$0")/.." && pwd)
folder="$root/.cache/storage-servers"
server="$folder/fake-gcs-server"

if [ ! -x "$server" ]; then
    command -v go >/dev/null || {
        echo "Go is needed to fetch fake-gcs-server: see https://go.dev/dl" >&2
        exit 1
    }
    mkdir -p "$folder"
    GOBIN="$folder" go install "github.com/fsouza/fake-gcs-server@$version"
fi
echo "$server"
