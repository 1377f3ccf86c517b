#!/usr/bin/env bash
# Serves a checkpoint with `transformers serve` on loopback, in an environment of its own.
#
#   tests/servers/start_transformers_serve.sh VENV CHECKPOINT PORT [transformers serve's own options]
set -euo pipefail
venv="$1" checkpoint="$2" port="$3"
shift 3
if [ ! -e "$venv/made" ]; then
  python3 -m venv "$venv"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    'transformers[serving]>=5.0,<6' torch torchvision pillow
  touch "$venv/made"
fi
export HF_HUB_OFFLINE=1 HF_HUB_DISABLE_TELEMETRY=1
exec "$venv/bin/transformers" serve "$checkpoint" --host 127.0.0.1 --port "$port" \
  --device cpu --dtype float32 "$@"
