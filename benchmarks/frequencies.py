"""Class frequencies of the simulated truth over a large area, beside the published ones; class rasters only.

python -m benchmarks.frequencies --area 200x200 --seeds 1 2 3
"""

import argparse
import json
import multiprocessing
import os
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor

import numpy as np
from threadpoolctl import threadpool_limits

from cerradata.legend import load_legend
from cerradata.simulation.area import Area
from cerradata.simulation.noise import Window
from cerradata.simulation.parameters import Parameters
from cerradata.simulation.surface import draw_surface
from cerradata.simulation.world import World, simulate_world

# Pixels of each level-2 class in the published test split (sums of the rows of its confusion matrices)
PUBLISHED = np.asarray(
    [18187526, 25071999, 3209266, 630404, 5238, 230865, 37003, 691089, 37003, 51710, 135200, 710080, 4552, 609453]
)
BLOCK = 2500  # pixels of 10 m: 25 km
_world: list[World] = []


def count_block(window: Window) -> list[int]:
    with threadpool_limits(1):
        cover = draw_surface(_world[0], window).cover
    return np.bincount(cover.ravel(), minlength=len(PUBLISHED)).tolist()


def blocks_of(area: Area) -> Iterator[Window]:
    whole = area.window
    for row in range(0, whole.rows, BLOCK):
        for col in range(0, whole.columns, BLOCK):
            yield Window(
                whole.row + row, whole.col + col, min(BLOCK, whole.rows - row), min(BLOCK, whole.columns - col)
            )


def start(world: World) -> None:
    _world[:] = [world]


def frequencies(area: Area, seed: int, world: int) -> dict[str, object]:
    solved = simulate_world(area, Parameters.load(world), seed)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), context, initializer=start, initargs=(solved,)) as pool:
        counts = np.asarray(list(pool.map(count_block, blocks_of(area))))
    share = 100 * counts.sum(axis=0) / counts.sum()
    whole = counts.sum(axis=1) == BLOCK * BLOCK
    by_block = 100 * counts[whole] / BLOCK**2
    published = 100 * PUBLISHED / PUBLISHED.sum()
    classes = load_legend("cerradata-4mm").finest.classes
    return {
        "simulated": solved.label,
        "area_km": [area.width / 100, area.height / 100],
        "classes": [
            {
                "class": c.short,
                "published_percent": round(float(published[c.id]), 4),
                "simulated_percent": round(float(share[c.id]), 4),
                "ratio": round(float(share[c.id] / published[c.id]), 3),
                "sd_between_25_km_blocks": round(float(by_block[:, c.id].std()), 3) if len(by_block) > 1 else None,
            }
            for c in classes
        ],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--area", default="200x200")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--world", type=int, default=0)
    arguments = parser.parse_args()
    for seed in arguments.seeds:
        started = time.perf_counter()
        found = frequencies(Area.parse(arguments.area), seed, arguments.world)
        found["seconds"] = round(time.perf_counter() - started, 1)
        print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
