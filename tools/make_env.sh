#!/usr/bin/env bash
# Makes a virtual environment with the whole stack: torch, mmcv-full (built once, the wheel kept), mmdet3d, the devkit.
#
#   tools/make_env.sh .venv          # what `make env` calls
#
# PYTHON             the Python 3.11 to use                     (default: python3.11, else python3)
# EPROPNP_WHEELS     where the built mmcv-full wheel is kept    (default: ~/.cache/epropnp_det/wheels)
# MAX_JOBS           compiler processes for mmcv-full           (default: number of cores)
# FORCE_CUDA=1       build the CUDA operators too; needs a full CUDA toolkit in CUDA_HOME
set -euo pipefail
cd "$(dirname "$0")/.."

venv=${1:?usage: tools/make_env.sh VENV_FOLDER}
python=${PYTHON:-$(command -v python3.11 || echo python3)}
wheels=${EPROPNP_WHEELS:-${XDG_CACHE_HOME:-$HOME/.cache}/epropnp_det/wheels}

say() { printf '\n==> %s\n' "$*"; }
fail() { printf 'make env: %s\n' "$*" >&2; exit 1; }

command -v "$python" >/dev/null || fail "$python not found; install Python 3.11 or set PYTHON=/path/to/python3.11"
"$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || fail "$python is not Python 3.11; set PYTHON=/path/to/python3.11"
command -v "${CXX:-c++}" >/dev/null || fail "no C++ compiler (${CXX:-c++}); install one, e.g. apt-get install g++"
"$python" -c 'import sysconfig, os, sys; sys.exit(not os.path.exists(os.path.join(sysconfig.get_path("include"), "Python.h")))' \
    || fail "Python.h not found; install the headers, e.g. apt-get install python3.11-dev"

say "1/5 virtual environment in $venv"
[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
"$venv/bin/python" -m pip install --quiet uv
uv() { "$venv/bin/uv" "$@" --python "$venv/bin/python"; }
# uv trusts its own certificates; behind a proxy those of pip have to count too.
[ -n "${PIP_CERT:-}" ] && export SSL_CERT_FILE="${SSL_CERT_FILE:-$PIP_CERT}"

say "2/5 torch and build tools"
uv pip install -r requirements/torch.txt -r requirements/build.txt

# The wheel only fits the torch and Python it was compiled against, so both are part of where it is kept.
tag=$("$venv/bin/python" - <<'PY'
import os, sys, torch
gpu = os.environ.get("FORCE_CUDA") == "1" or torch.cuda.is_available()
print(f"py{sys.version_info[0]}{sys.version_info[1]}-torch{torch.__version__.split('+')[0]}-" + (f"cu{torch.version.cuda}" if gpu else "cpu"))
PY
)
mmcv=$(sed -n 's/^mmcv-full==//p' requirements/runtime.txt)
shelf=$wheels/$tag
if compgen -G "$shelf/mmcv_full-$mmcv-*.whl" >/dev/null; then
    say "3/5 mmcv-full $mmcv: reusing $shelf"
else
    say "3/5 mmcv-full $mmcv: building from source for $tag (about 10 minutes on 2 cores; [done/all] counts files)"
    mkdir -p "$shelf"
    building=$(mktemp -d "$shelf/.building-XXXXXX")
    trap 'rm -rf "$building"' EXIT
    # PATH: torch finds ninja there. -v: shows the compiler's progress.
    PATH="$PWD/$venv/bin:$PATH" MMCV_WITH_OPS=1 MAX_JOBS="${MAX_JOBS:-$(nproc)}" "$venv/bin/python" -m pip wheel -v --no-build-isolation \
        --no-deps --no-binary mmcv-full --wheel-dir "$building" "mmcv-full==$mmcv" >"$shelf/build.log" 2>&1 &
    build=$!
    while kill -0 $build 2>/dev/null; do
        progress=$(grep -oE '^ *\[[0-9]+/[0-9]+\]' "$shelf/build.log" 2>/dev/null | tail -n 1 | tr -d ' ' || true)
        if [ -t 1 ]; then printf '\r    %s %ds ' "${progress:-preparing}" $SECONDS; fi
        if [ ! -t 1 ] && [ $((SECONDS % 60)) -lt 5 ]; then printf '    %s %ds\n' "${progress:-preparing}" $SECONDS; fi
        sleep 5
    done
    wait $build || { tail -n 30 "$shelf/build.log" >&2; fail "building mmcv-full failed; the whole log is $shelf/build.log"; }
    mv "$building"/mmcv_full-*.whl "$shelf/"
fi

say "4/5 mmdet3d, nuScenes devkit and tools"
uv pip install --prerelease=allow --no-build-isolation --override requirements/overrides.txt --find-links "$shelf" \
    -r requirements/torch.txt -r requirements/build.txt -r requirements/runtime.txt \
    -r requirements/dev.txt -r requirements/odometry.txt -r requirements/export.txt -r requirements/docs.txt

say "5/5 epropnp_det"
# There is a compiler (mmcv-full needs one), so kernels that do not build are a fault.
EPROPNP_KERNELS=require uv pip install --no-build-isolation --no-deps -e .
touch "$venv/.complete"
say "done: source $venv/bin/activate   (or use make, which does it for you)"
