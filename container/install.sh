#!/usr/bin/env bash
# Install the harness from its sources, pinned by constraints.txt: `install.sh SOURCES TARGET [EXTRA]`.
# The Dockerfile and apptainer.def call it, and so does a test. Needs uv.
set -euo pipefail
sources=$(realpath "$1")
target=$2
extra=${3:-}
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT

pins="$sources/constraints.txt"
uv build --quiet --wheel --build-constraints "$pins" --out-dir "$made" "$sources"
wheel=$(echo "$made"/*.whl)
uv venv --quiet --python 3.11 "$target"
uv pip install --quiet --python "$target" --constraints "$pins" "$wheel${extra:+[$extra]}"
