#!/usr/bin/env bash
# Builds model_store/*.mar, one archive per stage and one that holds them all, and model_store/restore.war, the workflow.
#
#   ./archive.sh [cpu|gpu] [FOLDER]
#
# Every archive is self-contained: the package, the stage's own weights and its settings. The same sources give
# the same bytes. The archivers are taken from .venv, else from PATH.
set -euo pipefail
cd "$(dirname "$0")"

readonly DEVICE=${1:-cpu}
readonly STORE=${2:-model_store}
[[ -x .venv/bin/torch-model-archiver ]] && PATH="$PWD/.venv/bin:$PATH"
case "$DEVICE" in
    cpu) TILE_PX=1024 TILE_BATCH=1 ;;
    gpu) TILE_PX=1024 TILE_BATCH=8 ;;
    *) echo "usage: $0 [cpu|gpu] [FOLDER]" >&2; exit 2 ;;
esac

WORK=$(mktemp -d)
trap 'rm -rf "$WORK"' EXIT
export TMPDIR="$WORK/tmp"  # the archiver deletes $TMPDIR/<name of the model>
mkdir -p "$TMPDIR" "$STORE"
VERSION=$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml | head -1)

# Settings of one archive, sized for a picture of 50 megapixels. Batch sizes and delays stand in workflow.yaml.
model_config() {
    cat <<YAML
responseTimeout: 1100         # seconds a worker may owe an answer: a batch of four such pictures
startupTimeout: 300           # seconds; all workers start at once and share the cores
jobQueueSize: 1000            # above what the edge admits: a full queue would be a failed workflow
maxRetryTimeoutInSec: 600     # how long a dying worker is started again
deviceType: $DEVICE
photorestore:
    tier: auto                # on a GPU quality where its weights are in the archive, else fast; a request may ask
    precision: auto           # 8 bits and bfloat16 where weights and processor allow; or bfloat16, or float32
    tile_px: $TILE_PX
    tile_batch: $TILE_BATCH
YAML
}

# The archives by the table of stages, a line for each: its name, and the networks that it holds, none of which works without
# the weights of its fast tier.
stages_and_networks() {
    PYTHONPATH=src PYTHONDONTWRITEBYTECODE=1 python -c '
from photorestore.serving.management import WHOLE
from photorestore.stage_table import NETWORK_ROWS, ROWS
from photorestore.stages.written import packed_networks
for row in ROWS: print(row.name, *packed_networks(row))
print(WHOLE, *(network.name for network in NETWORK_ROWS))'
}

# Files at the archive's root: the package, and the weights of the archive's networks in all tiers that are there.
stage_files() {
    local files=$1 network weights owner
    mkdir -p "$files/weights"
    cp -r src/photorestore "$files/"
    find "$files" -name __pycache__ -prune -exec rm -rf {} +
    for network in ${NETWORKS[$2]}; do
        owner=${network%%_*}
        weights=weights/$owner/$network
        [[ -f $weights.fast.safetensors ]] || { echo "$weights.fast.safetensors is missing: make train-$owner" >&2; return 1; }
        install -D -m 644 -t "$files/weights/$owner" "$weights".*.safetensors
    done
    (cd "$files/weights" && sha256sum -- */*.safetensors > SHA256SUMS)  # compared when they are loaded
}

# The archivers write the hour of the day into their manifest and into the zip entries: fix both. Weights are stored as they
# are: compressed they are 6 % smaller, and a third of what Java computes at its start would be to unpack them.
make_reproducible() {
    python - "$1" <<'PYTHON'
import re, sys, zipfile
file = sys.argv[1]
with zipfile.ZipFile(file) as archive:
    entries = {name: archive.read(name) for name in sorted(archive.namelist())}
with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
    for name, content in entries.items():
        if name.endswith("-INF/MANIFEST.json"):
            content = re.sub(rb'("createdOn": ")[^"]*', rb"\g<1>01/01/1980 00:00:00", content)
        entry = zipfile.ZipInfo(name)
        entry.compress_type = zipfile.ZIP_STORED if name.endswith(".safetensors") else zipfile.ZIP_DEFLATED
        entry.external_attr = 0o644 << 16
        archive.writestr(entry, content)
PYTHON
}

archive_stage() {
    local stage=$1 files=$WORK/$1
    stage_files "$files" "$stage"
    model_config > "$WORK/$stage-config.yaml"
    torch-model-archiver --model-name "$stage" --version "$VERSION" --handler "handlers/${stage}_handler.py" \
        --config-file "$WORK/$stage-config.yaml" --extra-files "$files" --export-path "$WORK" --force \
        --archive-format zip-store  # the next step compresses it
    make_reproducible "$WORK/$stage.mar"
}

archive_workflow() {
    PYTHONPATH=src PYTHONDONTWRITEBYTECODE=1 python -m photorestore.stages.written workflow "$DEVICE" > "$WORK/workflow.yaml"
    # The workflow archiver needs a handler, although every node here is a model.
    torch-workflow-archiver --workflow-name restore --spec-file "$WORK/workflow.yaml" \
        --handler handlers/preprocess_handler.py --export-path "$WORK" --force
    make_reproducible "$WORK/restore.war"
}

declare -A NETWORKS
plan=$(stages_and_networks)
while read -r stage networks; do NETWORKS[$stage]=$networks; done <<< "$plan"

# Private temporary folders let the archives be built side by side.
for stage in "${!NETWORKS[@]}"; do
    (TMPDIR="$WORK/tmp-$stage" && mkdir -p "$TMPDIR" && export TMPDIR && archive_stage "$stage") &
    building+=($!)
done
archive_workflow
for job in "${building[@]}"; do wait "$job"; done

for stage in "${!NETWORKS[@]}"; do mv "$WORK/$stage.mar" "$STORE/"; done
mv "$WORK/restore.war" "$STORE/"  # last: make sees by it that all are there
ls -l "$STORE"/*.mar "$STORE"/*.war
