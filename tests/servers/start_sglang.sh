#!/usr/bin/env bash
# Serves a checkpoint with SGLang on this machine's processor, on loopback, in an environment of its own.
#
#   tests/servers/start_sglang.sh VENV CHECKPOINT PORT [sglang's own options]
#
# SGLang's package wants CUDA's libraries; the environment has those parts alone that its server
# imports on a processor, of the versions that this one of SGLang names.
set -euo pipefail
venv="$1" checkpoint="$2" port="$3"
shift 3
if [ ! -e "$venv/made" ]; then
  python3 -m venv "$venv"
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check \
    torch==2.14.1 torchvision transformers==5.19.0 tokenizers==0.23.2 openai==2.8.0 \
    openai-harmony==0.0.4 blobfile==3.0.0 compressed-tensors==0.18.0 outlines==0.1.11 \
    xgrammar==0.2.7 aiohttp anthropic apache-tvm-ffi datasets decord2 distro easydict einops fastapi \
    gguf interegular IPython kernels llguidance mistral_common modelscope msgspec ninja numba numpy \
    nvidia-ml-py orjson partial_json_parser pillow prometheus-client psutil py-spy pybase64 \
    python-multipart pyzmq scipy sentencepiece setproctitle smg-grpc-servicer soundfile tiktoken \
    timm torch_memory_saver uvicorn uvloop watchfiles xxhash zstandard
  "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps sglang==0.5.23
  site="$("$venv/bin/python" -c 'import site; print(site.getsitepackages()[0])')"
  cp "$(dirname "$0")/sgl_kernel.py" "$site/sgl_kernel.py"
  touch "$venv/made"
fi
export SGLANG_USE_CPU_ENGINE=1 HF_HUB_OFFLINE=1 HF_HUB_DISABLE_TELEMETRY=1
exec "$venv/bin/python" -m sglang.launch_server --model-path "$checkpoint" --host 127.0.0.1 \
  --port "$port" --served-model-name tiny --device cpu --attention-backend torch_native \
  --dtype float32 --disable-cuda-graph --mem-fraction-static 0.1 "$@"
