#!/usr/bin/env bash
# Trains with several processes of this machine: one for each GPU, or on the CPU where there is no GPU.
#
#   tools/dist_train.sh CONFIG PROCESSES [arguments of tools/train.py]
#   tools/dist_train.sh configs/detection/nuscenes/epropnp_v2_r101_12e_nuscenes.py 4 --resume
#
# MASTER_PORT       the port on which the processes meet           (default: a free one)
# MAX_RESTARTS      how often all processes start again after one of them failed; for --resume  (default: 0)
# OMP_NUM_THREADS   threads of each process                        (default: cores / processes, at most 4)
exec "$(dirname "$0")/_launch.sh" train "$0" "$@"
