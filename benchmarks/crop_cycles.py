"""Are one crop cycle and more than one told apart better with six dates than with one? A random forest on simulated pixels.

    python -m benchmarks.crop_cycles --area 50x25

Reflectance without clouds, the truth as labels, parcels not shared between training and test.
"""

import argparse
import json

import numpy as np
from sklearn.ensemble import RandomForestClassifier
from sklearn.metrics import balanced_accuracy_score
from threadpoolctl import threadpool_limits

from cerradata.simulation.area import Area
from cerradata.simulation.classes import Cover
from cerradata.simulation.optics import reflectance
from cerradata.simulation.parameters import Parameters
from cerradata.simulation.sentinel2 import acquisitions
from cerradata.simulation.surface import draw_surface
from cerradata.simulation.world import simulate_world

CROPS = (Cover.ONE_CYCLE, Cover.MORE_CYCLES)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--area", default="50x25")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with threadpool_limits(1):
        world = simulate_world(Area.parse(arguments.area), Parameters.load(), arguments.seed)
        dates = sorted(acquisitions(world))
        pixels, labels, parcels = [], [], []
        for strip in world.area.strips(world.area.window):
            surface = draw_surface(world, strip)
            places = np.flatnonzero(np.isin(surface.cover, CROPS))
            if len(places):
                places = np.random.default_rng(strip.row + 10**6).choice(places, min(len(places), 6000), replace=False)
                stack = [
                    reflectance(surface, d, world.parameters, world.seed).reshape(12, -1)[:, places] for d in dates
                ]
                pixels.append(np.stack(stack).transpose(2, 0, 1))
                labels.append(surface.cover.ravel()[places])
                parcels.append(surface.parcel.ravel()[places])
    x, y, parcel = np.concatenate(pixels), np.concatenate(labels), np.concatenate(parcels)
    test = (parcel % np.uint64(10)).astype(int) < 4
    found: dict[str, object] = {"simulated": world.label, "pixels": len(y), "parcels": len(np.unique(parcel))}
    for name, chosen in [*((str(d), [i]) for i, d in enumerate(dates)), ("six dates", list(range(len(dates))))]:
        forest = RandomForestClassifier(100, min_samples_leaf=5, class_weight="balanced", n_jobs=2, random_state=0)
        own = x[:, chosen].reshape(len(y), -1)
        forest.fit(own[~test], y[~test])
        found[name] = round(100 * float(balanced_accuracy_score(y[test], forest.predict(own[test]))), 1)
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
