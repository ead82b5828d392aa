#!/usr/bin/env bash
# zig as the archiver beside zig-windows.sh.
exec "$LIFEBOAT_ZIG" ar "$@"
