#!/usr/bin/env bash
# A cluster of `ray start` may refuse `ray.init("HOST:PORT")` on its own machine, and says no more than "Failed to connect".
#
# Any earlier `ray.init()` that started Ray (2.59 and later) has left a token in ~/.ray. From then on `ray start` asks for
# it. A process that connects by `auto` sends it; one that names the address does not, unless RAY_AUTH_MODE=token is set.
# So what worked on a fresh machine stops after the first local run. The cluster is in a home and on a port of its own.
set -euo pipefail

folder=$(mktemp -d)
export HOME="$folder/home" RAY_TMPDIR="$folder/ray" RAY_USAGE_STATS_ENABLED=0
mkdir "$HOME" "$RAY_TMPDIR"
PORT=${PORT:-27611}

away() { for pid in $(pgrep -f "$folder/ray" || true); do kill -9 "$pid" 2> /dev/null || true; done; }
trap 'away; rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
export PATH="$folder/venv/bin:$PATH"
pip install --quiet ray==2.60.0

started() {
    away
    ray start --head --port "$PORT" --num-cpus 1 --include-dashboard false > /dev/null 2>&1
}

enter() {  # ADDRESS yes|no
    timeout 100 python - "$1" "$2" 2> /dev/null <<'PYTHON'
import sys
import ray

try:
    ray.init(sys.argv[1], logging_level="error", log_to_driver=False)
    found = "yes"
except ConnectionError as error:
    found = f"no: {error}"
print(f"  {sys.argv[1]}: {found}")
assert found.startswith(sys.argv[2])
PYTHON
}

echo "before any ray.init() that starts Ray"
started
enter "127.0.0.1:$PORT" yes
echo "after one"
python -c 'import ray; ray.init("local", num_cpus=1, include_dashboard=False, logging_level="error")' 2> /dev/null
started
enter "127.0.0.1:$PORT" no
enter auto yes
echo "after one, with RAY_AUTH_MODE=token"
RAY_AUTH_MODE=token enter "127.0.0.1:$PORT" yes
