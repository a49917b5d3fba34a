#!/usr/bin/env bash
# Tests with several processes of a Slurm cluster, one for each GPU. The results are those of one.
#
#   tools/slurm_test.sh PARTITION JOB CONFIG CHECKPOINT [arguments of tools/test.py]
#   tools/slurm_test.sh gpu epropnp configs/detection/nuscenes/epropnp_v2_r101_12e_nuscenes.py epoch_12.pth --eval bbox
#
# GPUS             processes in all                                       (default: 8)
# GPUS_PER_NODE    processes on each node; 0 for processes on the CPU     (default: 8)
# CPUS_PER_TASK    cores of each process                                  (default: 5)
# SRUN_ARGS        further arguments of srun
exec "$(dirname "$0")/_slurm.sh" test "$0" "$@"
