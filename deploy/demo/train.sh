#!/bin/sh
# Make the demo's four adapters and its router again: deploy/demo/train.sh [OUT_FOLDER] (`make train`; about an hour on two cores).
# The base is the one that `postil serve` serves. Without OUT_FOLDER the adapters and the router in this folder are replaced.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
out=${1:-$here}
# Waiting threads sleep instead of spinning: much faster where others use the processor too.
export OMP_WAIT_POLICY=PASSIVE

# adapt ADAPTER VERSION DATA [OPTION ...]
adapt() {
    adapter=$1 version=$2 data=$3
    shift 3
    postil train --overwrite \
        --data "$here/$adapter/$data" --validation "$here/$adapter/validation.jsonl" --out "$out/$adapter/$version" \
        --targets q_proj,k_proj,v_proj,o_proj,gate_proj,up_proj,down_proj --first-layer 15 \
        --rank 6 --alpha 12 --half --reject needs_review "$@"
}

adapt healthcare/triage 1 train-v1.jsonl --epochs 2
adapt healthcare/triage 2 train.jsonl --epochs 2
adapt legal/clause 1 train.jsonl --epochs 2
adapt finance/intent 1 train.jsonl --epochs 3

# The router learns from the same texts, and from texts of no domain; seconds, and no model is asked.
postil train-router --overwrite --out "$out/router/router.json" --reject needs_review --words "$here/router/keywords.json" \
    --data "healthcare=$here/healthcare/triage/train.jsonl" --data "legal=$here/legal/clause/train.jsonl" \
    --data "finance=$here/finance/intent/train.jsonl" --data "none=$here/router/none.jsonl"
