#!/bin/bash
#SBATCH --job-name=cellbox
#SBATCH --nodes=1
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=8
#SBATCH --time=04:00:00
#SBATCH --signal=B:USR1@300
#SBATCH --requeue
#SBATCH --open-mode=append
#SBATCH --output=cellbox-%j.log
#
# A sweep on the nodes of a Slurm job:
#
#   sbatch --nodes=2 --cpus-per-task=16 deploy/slurm.sh SPEC.toml STUDY_FOLDER [cellbox options]
#   sbatch --nodes=2 --gpus-per-node=4 deploy/slurm.sh SPEC.toml STUDY_FOLDER
#   sbatch --array=0-9 deploy/slurm.sh SPEC.toml STUDY_FOLDER-%a --seed %a
#
# The folder must be on a file system that all nodes see, and `cellbox` must be on PATH there, or
# CELLBOX_ENV name the virtual environment that has it. Five minutes before the time limit, and
# when the job is cancelled with `scancel --batch --signal=TERM`, the sweep ends cleanly; the same
# sbatch line again goes on with it, and CELLBOX_REQUEUE=1 submits it by itself.
#
# CELLBOX_HEAD_IP      address of the first node, where the one it has by itself does not do
# CELLBOX_RAY_PORT     port of Ray on the first node (default: one that follows from the job's id)
# CELLBOX_RAY_TMP      folder of Ray on each node (default: under /tmp, short and not shared)
# CELLBOX_START_LIMIT  seconds that the nodes have for starting Ray (default: 300)

# Functions here are called by traps and through others, and a step's shell expands its own words.
# shellcheck disable=SC2317,SC2016

set -euo pipefail
# Children in process groups of their own: a shell without this starts them deaf to SIGINT, by
# which the sweep is told to end.
set -m

if (($# < 2)); then
    echo "usage: sbatch [Slurm's options] deploy/slurm.sh SPEC.toml STUDY_FOLDER [options]" >&2
    exit 2
fi
# In a job array, %a is the task's number, as in names that sbatch is given.
words=()
for word in "$@"; do
    words+=("${word//%a/${SLURM_ARRAY_TASK_ID:-%a}}")
done
set -- "${words[@]}"
spec=$1
study=$2
shift 2

if [[ -n ${CELLBOX_ENV:-} ]]; then
    export PATH="$CELLBOX_ENV/bin:$PATH"
fi
mkdir -p "$(dirname "$study")"
job=${SLURM_JOB_ID:?this script is for sbatch}
n_nodes=${SLURM_JOB_NUM_NODES:-1}
n_cpus=${SLURM_CPUS_PER_TASK:-${SLURM_CPUS_ON_NODE:-1}}
n_gpus=${SLURM_GPUS_ON_NODE:-0}
start_limit=${CELLBOX_START_LIMIT:-300}
# Jobs that share a node differ in it; away from 10001 to 19999, which Ray gives to its workers.
port=${CELLBOX_RAY_PORT:-$((20000 + job % 10000))}
# Short: Ray makes sockets in it, whose paths may have about 100 characters.
ray_tmp=${CELLBOX_RAY_TMP:-/tmp/cellbox-$job}

# Others on the cluster reach Ray's ports too, and what reaches them may run anything.
RAY_AUTH_TOKEN=$(python -c 'import secrets; print(secrets.token_hex(32))')
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN
export RAY_USAGE_STATS_ENABLED=0
# Workers without a GPU must not see one; Ray's nodes read this when they start.
export RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO=1
# Ray would wait for its own server, which ends at the same moment, before it ends.
export RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S=0
# Also where the job was submitted with --export=NONE, the steps need what is set here.
export SLURM_EXPORT_ENV=ALL

nodes=$(scontrol show hostnames "${SLURM_JOB_NODELIST:?}")
head_node=${nodes%%$'\n'*}

# One process on each of the nodes named first, with all the cores that the job has there.
on_nodes() {
    local names=$1 count=$2
    shift 2
    srun --overlap --nodelist="$names" --nodes="$count" --ntasks="$count" --ntasks-per-node=1 \
        --cpus-per-task="$n_cpus" --cpu-bind=none "$@"
}

steps=()
child=
stopping=

# End what is waited for, nodes or the sweep, as by Ctrl-C. Once: a second would cut its end short.
stop() {
    if [[ -z $stopping && -n $child ]]; then
        kill -INT "$child" 2>/dev/null || true
    fi
    stopping=$1
}

# Run something until it ends, signals or not; its exit code.
attended() {
    if [[ -n $stopping ]]; then
        return 130
    fi
    "$@" &
    child=$!
    local code=0
    while true; do
        code=0
        wait "$child" || code=$?
        # A trapped signal ends the wait as well.
        kill -0 "$child" 2>/dev/null || break
    done
    child=
    return "$code"
}

end_steps() {
    local step
    for step in "${steps[@]}"; do
        # The whole group, since srun is a child of the step's shell.
        kill -TERM -- "-$step" 2>/dev/null || true
    done
    for step in "${steps[@]}"; do
        wait "$step" 2>/dev/null || true
    done
    # Until it stays away: what Ray left running writes logs there for some seconds more.
    on_nodes "${nodes//$'\n'/,}" "$n_nodes" bash -c '
        for _ in {1..20}; do
            rm -rf "$1" 2>/dev/null
            sleep 1
            [[ -e $1 ]] || exit 0
        done
        echo "$(hostname): could not remove $1" >&2' remove "$ray_tmp" || true
}

trap end_steps EXIT
trap 'stop "the time limit is near"' USR1
trap 'stop "the job is being ended"' TERM INT

head_ip=${CELLBOX_HEAD_IP:-$(on_nodes "$head_node" 1 hostname --ip-address)}
head_ip=${head_ip%% *}
export RAY_ADDRESS="$head_ip:$port"

ray_options=(--num-cpus="$n_cpus" --num-gpus="$n_gpus" --temp-dir="$ray_tmp"
    --disable-usage-stats --block)
on_nodes "$head_node" 1 ray start --head --node-ip-address="$head_ip" --port="$port" \
    --include-dashboard=false "${ray_options[@]}" >"$study.ray-head.log" 2>&1 &
steps+=($!)
if ((n_nodes > 1)); then
    others=${nodes#*$'\n'}
    # Each tries again by itself until the head answers.
    on_nodes "${others//$'\n'/,}" "$((n_nodes - 1))" bash -c '
        for _ in {1..20}; do
            timeout 20 ray health-check --address "$RAY_ADDRESS" >/dev/null 2>&1 && break
            sleep 3
        done
        exec ray start --address="$RAY_ADDRESS" "$@"' start "${ray_options[@]}" \
        >"$study.ray-workers.log" 2>&1 &
    steps+=($!)
fi

# Also ends where a step does, since its nodes will not come then.
attended python - "$n_nodes" "$start_limit" "${steps[@]}" <<'PYTHON'
import logging, os, sys, time

import ray

wanted, limit, *steps = map(int, sys.argv[1:])
until = time.monotonic() + limit


def fail(message):
    sys.exit(f"{message}; see Ray's logs beside the study")


def running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


while True:
    if not all(map(running, steps)):
        fail("Ray ended while it was starting")
    if time.monotonic() > until:
        fail(f"not all of {wanted} nodes are in after {limit} s")
    try:
        if not ray.is_initialized():
            ray.init(log_to_driver=False, logging_level=logging.CRITICAL)
        alive = sum(node["Alive"] for node in ray.nodes())
        if alive >= wanted:
            break
    except ConnectionError:
        pass
    time.sleep(1)
ray.shutdown()
PYTHON

finished() {
    { find "$study/trials" -mindepth 1 -maxdepth 1 -type d 2>/dev/null || true; } | wc -l
}

before=$(finished)
code=0
attended cellbox sweep "$spec" --study "$study" "$@" || code=$?
if [[ -n $stopping && $code != 0 ]]; then
    echo "Stopped because $stopping; the same sbatch line goes on with $study."
    # Not where nothing was finished, since the next job would not get any further.
    if [[ $stopping == *"time limit"* && ${CELLBOX_REQUEUE:-0} == 1 && $(finished) -gt $before ]]
    then
        scontrol requeue "$job"
    fi
fi
exit "$code"
