#!/bin/sh
# Starts the host agent in its container; waits where the kit's folder was not put onto the device yet.
set -eu
config=/data/host/config.json
while [ ! -f "$config" ]; do
    echo "No $config yet: put the kit's host folder there (docs/balena.md). Looking again in 30 s."
    sleep 30
done
chmod 600 /data/host/keys.json
exec stallmark host run --config "$config"
