"""`python -m benchmarks`: print the table, write `benchmarks/results.json`. Ratios are of one run on one machine."""

import json
import os
import platform
import sys
import warnings
from pathlib import Path

import numpy as np
import rasterio
import torch

from benchmarks import build, confusion, loading

RESULTS = Path(__file__).parent / "results.json"


def main() -> int:
    warnings.simplefilter("ignore")
    machine = {
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "torch": torch.__version__,
        "gdal": rasterio.__gdal_version__,
    }
    rows = [{**row, "machine": machine} for row in (*confusion.run(), *loading.run(), *build.run())]
    print(f"{'benchmark':92} {'unit':10} {'ours':>9} {'peer':>9} {'ratio':>7} {'target':>7} {'peak MB':>8}")
    for row in rows:
        figures = [f"{row[key]:.2f}" if row.get(key) is not None else "" for key in ("ours", "peer", "ratio", "target")]
        memory = f"{row['peak_memory_mb']:.0f}" if "peak_memory_mb" in row else ""
        ours, peer, ratio, target = figures
        print(f"{row['name'][:92]:92} {row['unit']:10} {ours:>9} {peer:>9} {ratio:>7} {target:>7} {memory:>8}")
    RESULTS.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
