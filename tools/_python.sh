# Sets python: that of an activated environment, else the one of `make env`, else the first on the PATH. Sourced by the shell scripts here.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
if [ -x "$root/.venv/bin/python" ] && [ -z "${VIRTUAL_ENV:-}${CONDA_PREFIX:-}" ]; then python=$root/.venv/bin/python; else python=python; fi
