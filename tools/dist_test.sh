#!/usr/bin/env bash
# Tests with several processes of this machine: one for each GPU, or on the CPU where there is no GPU. The results are those of one.
#
#   tools/dist_test.sh CONFIG CHECKPOINT PROCESSES [arguments of tools/test.py]
#   tools/dist_test.sh configs/detection/nuscenes/epropnp_v2_r101_12e_nuscenes.py epoch_12.pth 4 --eval bbox
#
# MASTER_PORT       the port on which the processes meet           (default: a free one)
# OMP_NUM_THREADS   threads of each process                        (default: cores / processes, at most 4)
exec "$(dirname "$0")/_launch.sh" test "$0" "$@"
