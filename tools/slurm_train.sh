#!/usr/bin/env bash
# Trains with several processes of a Slurm cluster, one for each GPU.
#
#   tools/slurm_train.sh PARTITION JOB CONFIG WORK_DIR [arguments of tools/train.py]
#   GPUS=16 tools/slurm_train.sh gpu epropnp configs/detection/nuscenes/epropnp_v2_r101_12e_nuscenes.py work_dirs/epropnp --resume
#
# GPUS             processes in all                                       (default: 8)
# GPUS_PER_NODE    processes on each node; 0 for processes on the CPU     (default: 8)
# CPUS_PER_TASK    cores of each process                                  (default: 5)
# SRUN_ARGS        further arguments of srun
exec "$(dirname "$0")/_slurm.sh" train "$0" "$@"
