"""The command that simulates an area."""

from cerradata.commands.show import show_lines, show_table
from cerradata.core.locations import Location
from cerradata.legend import load_legend
from cerradata.simulation.simulate import Simulation, SimulationConfig, simulate_area


def simulate(
    settings: SimulationConfig, out: Location, *, workers: int = 2, overwrite: bool = False, quiet: bool = False
) -> int:
    """Simulate scenes, a reference map and elevation of an area in the Bico do Papagaio, offline.

    Sentinel-2 L2A of six dates in both UTM zones, Sentinel-1 of two passes, elevation, a reference map with the errors of
    a real one, the truth without them, a STAC catalogue, and build configurations that are ready to run. What is
    simulated says so in every file. A simulation that was interrupted goes on when the same command is given again.

    Args:
        settings: What to simulate.
        out: Folder for everything that is written.
        workers: Processes. The pixels do not depend on their number.
        overwrite: Replace the simulation that is there.
        quiet: Show no progress.
    """
    simulation = simulate_area(settings, out.path, workers=workers, overwrite=overwrite, quiet=quiet)
    show_simulation(simulation)
    show_lines([f"Next: cerradata build --config {out.path / 'build.yaml'} --out DATASET"])
    return 0


def show_simulation(simulation: Simulation) -> None:
    """Print the classes of the truth, and how well the reference map agrees with it."""
    pixels = simulation.summary["truth_pixels"]
    matrix = simulation.summary["reference_confusion"]
    total = max(sum(pixels), 1)
    rows = []
    for c in load_legend("cerradata-4mm").finest.classes:
        mapped = sum(matrix[c.id])
        right = f"{matrix[c.id][c.id] / mapped:.1%}" if mapped else "-"
        rows.append((c.name, f"{pixels[c.id]:,}", f"{pixels[c.id] / total:.3%}", right))
    show_table("Truth, simulated", ("class", "pixels", "share", "mapped right by the reference"), rows)
    agreement = simulation.summary["reference_agreement_percent"]
    show_lines(
        [
            f"{simulation.root}: {simulation.summary['scenes']} scenes; the reference agrees with the truth in {agreement:.2f} "
            f"% of the pixels ({simulation.root / 'reference' / 'confusion.csv'})",
            f"simulated: {simulation.summary['simulated']}",
        ]
    )
