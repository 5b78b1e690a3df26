#!/usr/bin/env bash
# Makes guke-<version>-linux-<machine>.tar.gz: everything install.sh needs on a machine without a network
# (wheels of Guke, of what it depends on for Python 3.11 to 3.13, and of pip). Run it where PyPI can be reached:
#     packaging/make-bundle.sh [FOLDER TO PUT IT IN]
set -eu

HERE=$(cd "$(dirname "$0")/.." && pwd)
TO=$(cd "${1:-.}" && pwd)
WORK=$(mktemp -d "${TMPDIR:-/tmp}/guke-bundle.XXXXXX")
trap 'rm -rf "$WORK"' EXIT
MACHINE=$(uname -m)
VERSION=$(sed -n 's/^__version__ = "\(.*\)"/\1/p' "$HERE/appliance/__init__.py")
NAME=guke-$VERSION-linux-$MACHINE
WHEELS=$WORK/$NAME/packaging/wheels
mkdir -p "$WHEELS" "$WORK/source/packaging"

(cd "$HERE" && cp -R appliance templates static pyproject.toml README.md LICENSE "$WORK/source/" &&
    cp packaging/compile_translations.py "$WORK/source/packaging/")
python3 -m venv "$WORK/venv"
pip() { "$WORK/venv/bin/python" -m pip --disable-pip-version-check -q "$@"; }

pip wheel --no-deps -w "$WHEELS" "$WORK/source"
guke=$(find "$WHEELS" -name 'guke-*.whl')
pip download --no-deps -d "$WHEELS" pip
for version in 3.11 3.12 3.13; do
    pip download -d "$WHEELS" -c "$HERE/packaging/constraints.txt" --only-binary :all: --python-version "$version" \
        --implementation cp --abi "cp${version/./}" --abi abi3 --abi none \
        --platform "manylinux_2_34_$MACHINE" --platform "manylinux_2_28_$MACHINE" --platform "manylinux_2_17_$MACHINE" \
        --platform "manylinux2014_$MACHINE" --platform any "$guke"
done

cp "$HERE/install.sh" "$HERE/LICENSE" "$HERE/README.md" "$HERE/CHANGELOG.md" "$WORK/$NAME/"
cp "$HERE/packaging/guke.service" "$WORK/$NAME/packaging/"
tar -C "$WORK" -czf "$TO/$NAME.tar.gz" "$NAME"
echo "$TO/$NAME.tar.gz"
