#!/usr/bin/env bash
# What slurm_train.sh and slurm_test.sh share; call those.  _slurm.sh train|test CALLER PARTITION JOB CONFIG (WORK_DIR | CHECKPOINT) [arguments]
set -euo pipefail
. "$(dirname "$0")/_arguments.sh"
[ $# -ge 4 ] || fail "usage: $caller PARTITION JOB CONFIG $([ "$what" = train ] && echo WORK_DIR || echo CHECKPOINT) [arguments]; --help says more"
partition=$1
job=$2
config=$3
fourth=$4
shift 4
[ -f "$config" ] || fail "config $config does not exist"
[ "$what" = train ] || [ -f "$fourth" ] || fail "checkpoint $fourth does not exist"
GPUS=${GPUS:-8}
GPUS_PER_NODE=${GPUS_PER_NODE:-8}
CPUS_PER_TASK=${CPUS_PER_TASK:-5}
[[ "$GPUS" =~ ^[1-9][0-9]*$ ]] || fail "GPUS must be a positive number, not '$GPUS'"
[[ "$GPUS_PER_NODE" =~ ^[0-9]+$ ]] || fail "GPUS_PER_NODE must be a number from 0, not '$GPUS_PER_NODE'"
command -v srun > /dev/null || fail "srun is not installed; tools/dist_$what.sh starts processes of this machine"

. "$tools/_python.sh"
on_gpus=()
[ "$GPUS_PER_NODE" = 0 ] || on_gpus=("--gres=gpu:$((GPUS < GPUS_PER_NODE ? GPUS : GPUS_PER_NODE))" "--ntasks-per-node=$((GPUS < GPUS_PER_NODE ? GPUS : GPUS_PER_NODE))")
target=("$config")
if [ "$what" = train ]; then target+=(--work-dir "$fourth"); else target+=("$fourth"); fi
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1}
# shellcheck disable=SC2086  # SRUN_ARGS is a list
exec srun -p "$partition" --job-name="$job" --ntasks="$GPUS" "${on_gpus[@]}" --cpus-per-task="$CPUS_PER_TASK" --kill-on-bad-exit=1 \
    ${SRUN_ARGS:-} "$python" -u "$tools/$what.py" "${target[@]}" --launcher slurm "$@"
