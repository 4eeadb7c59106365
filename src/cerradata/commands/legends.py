"""Commands about legends: crosswalk."""

from cerradata.commands.show import Format, show_json, show_lines, show_table
from cerradata.core.locations import Location
from cerradata.legend import Legend, LegendName, load_legend
from cerradata.legend.crosswalk import NO_CLASS, Crosswalk


def crosswalk(table: Location, *, legend: LegendName, format: Format = "text") -> int:
    """Check a crosswalk: which code becomes which class of a legend, and what is left open.

    Exit code 0 if it can be used as it is, 1 if a code may be any of several classes, or a class or code is unknown.

    Args:
        table: CSV or YAML file with `from` and `to`, see docs/points-and-crosswalks.md.
        legend: Legend whose classes stand in `to`.
        format: text or json.
    """
    pairs, onto = Crosswalk.read(table.path), load_legend(legend)
    problems, ambiguous, unmapped = pairs.problems(onto), pairs.ambiguous, pairs.unmapped(onto)
    if format == "json":
        show_json(_to_dict(pairs, onto))
    else:
        rows = [(str(p.code), p.target or NO_CLASS, pairs.kind(p), _percent(p.share), p.note) for p in pairs.pairs]
        show_table(f"{table.name} -> {onto.name}", ("from", "to", "kind", "share", "note"), rows)
        show_lines(problems)
        show_lines(f"Ambiguous: {code!r} may be {' or '.join(targets)}." for code, targets in ambiguous.items())
        show_lines([f"Nothing becomes {', '.join(unmapped)}."] if unmapped else [])
    return 1 if problems or ambiguous else 0


def _to_dict(pairs: Crosswalk, legend: Legend) -> dict[str, object]:
    return {
        "crosswalk": pairs.name,
        "legend": legend.name,
        "pairs": [
            {"from": p.code, "to": p.target, "kind": pairs.kind(p), "share": p.share, "note": p.note}
            for p in pairs.pairs
        ],
        "ambiguous": [{"from": code, "to": list(targets)} for code, targets in pairs.ambiguous.items()],
        "unmapped": list(pairs.unmapped(legend)),
        "problems": list(pairs.problems(legend)),
    }


def _percent(share: float | None) -> str:
    return "" if share is None else f"{share:.0%}"
