#!/usr/bin/env bash
# tmeasures 1.2.11 beside NumPy 2.4.6 and pandas-stubs: does installing a measuring library change what type checkers see?
#
# The guess: no; packages are code. tmeasures requires data-science-types, a package of type stubs of 2021, which installs
# `numpy-stubs`, read instead of NumPy's own types, and a `pandas-stubs` over that of the package pandas-stubs. Checkers
# then find no np.rint and no np.count_nonzero in any project of that environment. Removing it leaves pandas-stubs broken:
# it has to be installed anew.
#
# Seen: tmeasures 1.2.11 requires data-science-types | before: Success: no issues found in 1 source file | after: error:
# Module has no attribute "rint"  [attr-defined] | pandas-stubs: files replaced True
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
pip="$folder/venv/bin/pip"
"$pip" install -q "numpy==2.4.6" "mypy==1.18.2" pandas-stubs
echo 'import numpy as np; print(np.rint(1.5), np.count_nonzero([1]))' >"$folder/uses_numpy.py"
"$folder/venv/bin/mypy" "$folder/uses_numpy.py" >"$folder/before" || true
site=$("$folder/venv/bin/python" -c "import sysconfig; print(sysconfig.get_paths()['purelib'])")
sum() { cksum <"$site/pandas-stubs/core/frame.pyi"; }
first=$(sum)
"$pip" install -q --no-deps "tmeasures==1.2.11"
"$folder/venv/bin/python" - <<'PY' >"$folder/required"
from importlib.metadata import requires

(stubs,) = [line for line in requires("tmeasures") or () if "data-science-types" in line.replace("_", "-")]
print(stubs)
PY
"$pip" install -q --no-deps "data-science-types==0.2.23"
"$folder/venv/bin/mypy" --no-incremental "$folder/uses_numpy.py" >"$folder/after" || true
replaced=False
[ "$first" = "$(sum)" ] || replaced=True
echo "tmeasures 1.2.11 requires $(cat "$folder/required") | before: $(tail -1 "$folder/before") | after: $(head -1 "$folder/after" | cut -d: -f3-) | pandas-stubs: files replaced $replaced"
grep -q "Success" "$folder/before" && grep -q 'has no attribute "rint"' "$folder/after" && [ "$replaced" = True ] || {
    echo "the behaviour has changed"
    exit 1
}
