#!/usr/bin/env bash
# The whole path on a CPU in a few minutes: a synthetic dataset, a short training by 2 processes from the shipped
# weights, the official score, a submission file, the demo, and a page of pictures. A second run keeps the dataset and
# resumes the training; delete the folder to start again.
#
#   make quickstart          # or tools/quickstart.sh in an environment with the stack
#
# OUT         where everything goes              (default: work_dirs/quickstart)
# CHECKPOINT  the weights to start from          (default: configs/detection/synthetic/epropnp_r18_varied.pth)
# PROCESSES   of training and test               (default: 2)
set -euo pipefail
case "${1:-}" in -h | --help) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p;}' "$0"; exit 0 ;; esac
[ $# -eq 0 ] || { echo "error: $0 takes no arguments: settings are environment variables; --help lists them" >&2; exit 2; }
cd "$(dirname "$0")/.."
. tools/_python.sh

out=${OUT:-work_dirs/quickstart}
checkpoint=${CHECKPOINT:-configs/detection/synthetic/epropnp_r18_varied.pth}
processes=${PROCESSES:-2}
config=configs/detection/synthetic/quickstart.py
data=$out/data
annotations=$data/nuscenes_mini_infos_val_mono3d.coco.json

# Prints a title and a command, runs the command, and keeps it for the page.
step() {
    local title=$1; shift
    printf '\n==> %s\n    %s\n' "$title" "$*"
    grep -qxF -- "$*" "$out/commands.txt" || echo "$*" >> "$out/commands.txt"
    case "$1" in *.py) "$python" "$@" ;; *) "$@" ;; esac
}

if [ ! -f "$checkpoint" ]; then
    echo "error: the trained weights $checkpoint do not exist; name others with CHECKPOINT=FILE" >&2
    exit 2
fi
mkdir -p "$out"
touch "$out/commands.txt"

[ -f "$data/synthetic.json" ] || step "1/7 a synthetic dataset of 24 images, not used to train the weights" \
    tools/create_synthetic_nuscenes.py "$data" --preset test --seed 21
step "2/7 annotation files" tools/create_data.py nuscenes "$data" --version v1.0-mini
if [ -f "$out/train/latest.pth" ]; then start=(--resume); else start=(--load-from "$checkpoint"); fi
step "3/7 a short training by $processes processes" \
    tools/dist_train.sh "$config" "$processes" --work-dir "$out/train" --data-root "$data" --device cpu --no-validate "${start[@]}"
step "4/7 the official score on held-out images" \
    tools/dist_test.sh "$config" "$out/train/latest.pth" "$processes" --eval bbox --out-dir "$out/test" --data-root "$data" --device cpu
step "5/7 check of the submission file" \
    tools/validate_submission.py "$out/test/results_nusc.json" --data-root "$data" --version v1.0-mini --eval-set mini_val
step "6/7 the demo on images and their intrinsics" \
    demo/detect.py "$data"/samples/CAM_FRONT/synthetic-0103*.jpg --intrinsics "$annotations" --config "$config" \
    --checkpoint "$out/train/latest.pth" --out "$out/demo" --mc-samples 512 --device cpu
step "7/7 a page with the pictures" \
    tools/make_report.py "$config" "$out/train/latest.pth" "$out/index.html" --data-root "$data" --metrics "$out/test/metrics.json" \
    --commands "$out/commands.txt" --device cpu
