# Sourced by _launch.sh and _slurm.sh: takes train|test and CALLER from the arguments, and answers --help.
what=$1
caller=$2
shift 2
tools=$(cd "$(dirname "$0")" && pwd)

usage() { sed -n '2,/^exec/{/^exec/d;s/^# \{0,1\}//;p;}' "$caller"; }
fail() { printf 'error: %s\n' "$*" >&2; exit 2; }

case "${1:-}" in -h | --help) usage; exit 0 ;; esac
