#!/usr/bin/env bash
# The whole way to a checkpoint: data, encoders, language model, regions, outlines, search.
#
#   scripts/checkpoint.sh PRESET DATA OUT
#
# PRESET names recipes of rsvlm/training/recipes: "tiny-gpu", or "smoke", which takes
# minutes, needs no DATA and knows nothing. Every step writes its own folder with its log
# and what it was worth on held-out pictures, and goes on where it was interrupted.
# OUT/checkpoint is the result; measure it with "rsvlm eval run --model OUT/checkpoint".
set -euo pipefail
preset=$1 data=$2 out=$3
here=$(cd "$(dirname "$0")/.." && pwd)
python=${PYTHON:-$here/.venv/bin/python}
rsvlm() { "$python" -m rsvlm.app "$@"; }

chains=()
if [ "$preset" = smoke ]; then
  rsvlm data build smoke --out "$out/data"  # holds zoom-in chains
else
  rsvlm data build large --data "$data" --out "$out/data"
  rsvlm data build chains --data "$data" --out "$out/chains"
  for split in train val; do
    chains+=(--set "$split=[\"$split.jsonl\", \"../chains/$split.jsonl\"]")
  done
fi
rsvlm train align "$preset" --data "$out/data" --out "$out/align"
rsvlm train tune "$preset" --data "$out/data" --out "$out/tune" "${chains[@]}" \
  --set "aligned=$out/align/checkpoint" \
  --set 'parts=["optical_projector", "sar_projector", "lora"]'
rsvlm train regions "$preset" --data "$out/data" --out "$out/regions"
rsvlm train outlines "$preset" --data "$out/data" --out "$out/outlines" \
  --set "start=$out/regions"

draft=$out/.checkpoint
rm -rf "$draft"
cp -r "$out/tune/checkpoint" "$draft"
cp "$out"/outlines/{regions.json,regions.safetensors,outlines.safetensors} "$draft"
sort -u "$out"/{tune/checkpoint,regions,outlines}/train-images.txt > "$draft/train-images.txt"
for step in align tune regions outlines; do
  cp "$out/$step/run.json" "$draft/run-$step.json"
done
"$python" -m rsvlm.retrieval.concepts_build "$out/data" --model "$draft" \
  --out "$draft/concepts.npz"
rm -rf "$out/checkpoint"
mv "$draft" "$out/checkpoint"
echo "$out/checkpoint"
