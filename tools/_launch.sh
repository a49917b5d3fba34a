#!/usr/bin/env bash
# What dist_train.sh and dist_test.sh share; call those.  _launch.sh train|test CALLER CONFIG [CHECKPOINT] PROCESSES [arguments]
set -euo pipefail
. "$(dirname "$0")/_arguments.sh"
files=(config)
[ "$what" = test ] && files+=(checkpoint)
[ $# -gt ${#files[@]} ] || fail "usage: $caller ${files[*]^^} PROCESSES [arguments]; --help says more"
targets=()
for name in "${files[@]}"; do
    [ -f "$1" ] || fail "$name $1 does not exist"
    targets+=("$1")
    shift
done
processes=$1
shift
[[ "$processes" =~ ^[1-9][0-9]*$ ]] || fail "the number of processes must be a positive number, not '$processes'"

. "$tools/_python.sh"
cores=$(nproc)
threads=$((cores / processes))
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-$((threads < 1 ? 1 : threads > 4 ? 4 : threads))}
restarts=${MAX_RESTARTS:-0}
[[ "$restarts" =~ ^[0-9]+$ ]] || fail "MAX_RESTARTS must be a number from 0, not '$restarts'"
# Otherwise torchrun keeps the addresses of the processes that ended, where those that start again look for each other.
[ "$restarts" = 0 ] || export TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1
# Not --master_port, whose one store serves all starts; is_host refuses a port that another training has.
meet=(--standalone)
if [ -n "${MASTER_PORT:-}" ]; then
    [[ "$MASTER_PORT" =~ ^[0-9]+$ ]] || fail "MASTER_PORT must be a number, not '$MASTER_PORT'"
    meet=(--rdzv_backend c10d --rdzv_endpoint "localhost:$MASTER_PORT" --rdzv_conf is_host=1)
fi
exec "$python" "$tools/_launch.py" "${meet[@]}" --max_restarts "$restarts" --nproc_per_node "$processes" "$tools/$what.py" "${targets[@]}" --launcher pytorch "$@"
