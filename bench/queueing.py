"""How many machines: pods, cores and cost by pictures a month, from a queueing model that is fitted to a service.

    python -m bench.queueing theory                                 # the simulation beside closed forms
    python -m bench.queueing fit --photographs DIR --prints DIR     # processor time by kind, of a service of its own
    python -m bench.queueing check                                  # two edges before stand-ins, beside the model
    python -m bench.queueing check --real                           # a service at 60 % load, beside the model
    python -m bench.queueing sizes                                  # pods, cores and cost by pictures a month

bench/queues.py has the model. `fit` enters bench/results/queueing.json, which `sizes` reads; it counts the processor
time of all processes of the service, which other programs on the machine change less than they do the clock's.
`sizes --mix FILE` takes another mix than the assumed one, as JSON: [["photograph", megapixels, share], ...].
"""

from __future__ import annotations

import argparse
import bisect
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bench.queueing_served import check_real, check_stand_ins, fit
from bench.queues import (
    Array,
    Cost,
    Found,
    Mix,
    Pods,
    allen_cunneen,
    arrivals,
    drawn,
    erlang_c,
    simulate,
)
from bench.statistics import RESULTS
from bench.tables import table

MIX: Mix = (
    *(
        ("photograph", megapixels, share)
        for megapixels, share in ((1, 0.2), (4, 0.15), (12, 0.3), (24, 0.05))
    ),
    *(("print", megapixels, share) for megapixels, share in ((0.5, 0.05), (2, 0.1), (8, 0.1))),
    ("enlarged", 0.5, 0.05),
)
"""What a host of photographs is assumed to send; nobody has measured it."""
MONTHS = (1e6, 1e7, 1e8)
MONTH_S = 30 * 86_400.0
COUNT = 40_000
"""Pictures of a simulation."""
REFUSED = 0.001
"""The largest share that may be refused."""
MOST_USE = 0.85
"""At the peak: fits are not better than that, and with many pods waits alone would ask for less room."""
ALBUMS = (1.0, 5.0)
HEADER = ["pictures a month", "album", "a second at the peak", "pods", "cores", "use at the peak"]
HEADER += ["wait p50 s", "p95", "p99", "refused", "cost per 1,000", "at full use"]


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a service shall bear, on which pods, and what a core costs.

    Attributes:
        peak: arrivals at the busiest time / mean of the month.
        p95_s: the longest that 19 of 20 pictures may wait before they are at work.
        efficiency: what of its cores a pod turns into work on a picture.
        price: of a core for an hour, in any currency.
    """

    mix: Mix = MIX
    peak: float = 3.0
    p95_s: float = 10.0
    album: float = 1.0
    cores: int = 4
    efficiency: float = 0.9
    price: float = 0.04
    seed: int = 0


def fewest(per_s: float, seconds: Array, wanted: Wanted) -> tuple[int, Found]:
    """Return how many pods are the fewest that do, and how long pictures wait then.

    Raises:
        ValueError: three times as many as use asks for, and 20, do not do.
    """
    came_s = arrivals(per_s, len(seconds), np.random.default_rng(wanted.seed), wanted.album)
    least = max(1, math.ceil(per_s * seconds.mean() / MOST_USE))
    tried: dict[int, Found] = {}

    def does(count: int) -> bool:
        tried[count] = found = Found.of(simulate(came_s, seconds, Pods(count)))
        return found.p95 <= wanted.p95_s and found.refused <= REFUSED

    counts = range(least, 3 * least + 20)
    index = bisect.bisect_left(counts, True, key=does)
    if index == len(counts):
        raise ValueError(f"{counts[-1]} pods do not do")
    return counts[index], tried[counts[index]]


def sizes(months: Sequence[float], costs: Mapping[str, Cost], wanted: Wanted) -> list[list[str]]:
    """Return a row for each number of pictures a month: pods, cores, use, waits, what is refused, and costs."""
    processor = drawn(wanted.mix, costs, COUNT, np.random.default_rng(wanted.seed))
    seconds = processor / (wanted.cores * wanted.efficiency)
    rows = []
    for month in months:
        per_s = wanted.peak * month / MONTH_S
        count, found = fewest(per_s, seconds, wanted)
        fixed = count * wanted.cores * wanted.price * MONTH_S / 3600 / (month / 1000)
        least = 1000 * seconds.mean() * wanted.cores / 3600 * wanted.price
        use = per_s * seconds.mean() / count
        numbers = [
            f"{month:,.0f}",
            f"{wanted.album:g}",
            f"{per_s:.2f}",
            f"{count}",
            f"{count * wanted.cores}",
        ]
        rows.append([*numbers, f"{use:.0%}", *found.cells(), f"{fixed:.2f}", f"{least:.2f}"])
    return rows


def theory() -> list[list[str]]:
    """Return a row for each of some queues whose mean wait is known: by the closed form, and simulated."""
    rows = []
    for name, servers, use, album, spread in (
        ("M/M/1", 1, 0.7, 1.0, 1.0),
        ("M/M/8", 8, 0.9, 1.0, 1.0),
        ("M/D/1", 1, 0.8, 1.0, 0.0),
        ("M/G/4, a variation of 2", 4, 0.8, 1.0, 2.0),
        ("albums of 5, M/4", 4, 0.8, 5.0, 1.0),
    ):
        rng = np.random.default_rng(0)
        came_s = arrivals(use * servers, 10 * COUNT, rng, album)
        shape = 1 / spread**2 if spread else math.inf
        seconds = rng.gamma(shape, 1 / shape, len(came_s)) if spread else np.ones(len(came_s))
        found = Found.of(simulate(came_s, seconds, Pods(1, servers, math.inf)))
        waits = erlang_c(servers, use * servers)
        known = allen_cunneen(use * servers, seconds, servers, album)
        rows.append([name, f"{use:.0%}", f"{waits:.1%}", f"{known:.3f}", f"{found.mean:.3f}"])
    return rows


def costs_of(results: Path) -> dict[str, Cost]:
    """Read what `fit` has entered."""
    kinds = json.loads((results / "queueing.json").read_text())["kinds"]
    return {
        name: Cost(kind["fixed_s"], kind["s_per_mp"], tuple(kind["ratios"])) for name, kind in kinds.items()
    }


def print_sizes(wanted: Wanted) -> None:
    """Print the mix's mean and variation, and the sizes for pictures that come by themselves and in albums."""
    costs = costs_of(RESULTS)
    seconds = drawn(wanted.mix, costs, COUNT, np.random.default_rng(wanted.seed))
    mean_mp = sum(megapixels * share for _, megapixels, share in wanted.mix)
    print(
        f"{mean_mp:.1f} megapixels and {seconds.mean():.1f} processor seconds a picture; their deviation is "
        f"{seconds.std() / seconds.mean():.1f} of that\n{wanted}\n"
    )
    print(
        table(HEADER, [row for album in ALBUMS for row in sizes(MONTHS, costs, replace(wanted, album=album))])
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parts = parser.add_subparsers(dest="part", required=True)
    parts.add_parser("theory")
    fitting = parts.add_parser("fit")
    fitting.add_argument("--photographs", type=Path, required=True)
    fitting.add_argument("--prints", type=Path, required=True)
    checking = parts.add_parser("check")
    checking.add_argument("--real", action="store_true", help="TorchServe, whose archives are built")
    checking.add_argument("--seconds", type=float, default=90)
    sizing = parts.add_parser("sizes")
    sizing.add_argument("--mix", type=lambda file: json.loads(Path(file).read_text()), default=MIX)
    for name in ("peak", "p95_s", "cores", "efficiency", "price", "seed"):
        default = getattr(Wanted(), name)
        sizing.add_argument(f"--{name.replace('_', '-')}", type=type(default), default=default)
    given = vars(parser.parse_args())
    match given.pop("part"):
        case "theory":
            print(table(["queue", "use", "waiting share", "closed form, mean wait", "simulated"], theory()))
        case "fit":
            fit(given["photographs"], given["prints"])
        case "check":
            (check_real if given["real"] else check_stand_ins)(given["seconds"])
        case "sizes":
            print_sizes(Wanted(**given))


if __name__ == "__main__":
    main()
