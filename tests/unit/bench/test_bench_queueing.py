"""The queueing model: the simulation against closed forms, what must hold for any queue, the fit, and the sizes."""

import asyncio
import json
import math
from dataclasses import asdict, replace
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from bench import queueing, queueing_served
from bench.queueing import MIX, MONTH_S, Wanted, fewest, sizes
from bench.queues import (
    Array,
    Cost,
    Found,
    Pods,
    allen_cunneen,
    arrivals,
    drawn,
    erlang_c,
    fitted,
    simulate,
)

COUNT = 100_000
NO_BOUND = math.inf
ONE_SECOND = {kind: Cost(3.6, 0.0) for kind, *_ in MIX}
"""Costs with which a picture is a second at work in a pod of four cores at 90 %."""


def queue(use: float, servers: int = 1, album: float = 1.0, seed: int = 0) -> tuple[Array, Array]:
    """Draw arrivals at exactly such a use of the servers, and exponential service times of a second on the average."""
    rng = np.random.default_rng(seed)
    came_s, seconds = arrivals(use * servers, COUNT, rng, album), rng.exponential(1.0, COUNT)
    return came_s / came_s[-1] * COUNT / (use * servers), seconds / seconds.mean()


def test_one_server_waits_as_known() -> None:
    came_s, seconds = queue(0.6)
    waits = simulate(came_s, seconds, Pods(1, places=NO_BOUND))
    assert waits.mean() == pytest.approx(0.6 / 0.4, rel=0.05)
    assert (waits > 0).mean() == pytest.approx(0.6, abs=0.01)
    p95 = math.log(0.6 / 0.05) / 0.4  # P(wait > t) = .6 exp(-.4 t)
    assert Found.of(waits).p95 == pytest.approx(p95, rel=0.05)


@pytest.mark.parametrize(("servers", "use"), [(2, 0.5), (5, 0.8), (12, 0.7)])
def test_several_at_work_wait_by_erlangs_formula(servers: int, use: float) -> None:
    came_s, seconds = queue(use, servers)
    waits = simulate(came_s, seconds, Pods(1, servers, NO_BOUND))
    share = erlang_c(servers, servers * use)
    assert (waits > 0).mean() == pytest.approx(share, rel=0.05)
    assert waits.mean() == pytest.approx(share / (servers * (1 - use)), rel=0.08)
    assert allen_cunneen(servers * use, seconds, servers) == pytest.approx(waits.mean(), rel=0.08)


def test_erlangs_formula_has_the_values_of_its_tables() -> None:
    assert erlang_c(1, 0.3) == pytest.approx(0.3)
    assert erlang_c(2, 1.0) == pytest.approx(1 / 3)
    assert erlang_c(3, 2.0) == pytest.approx(4 / 9)


@pytest.mark.parametrize("variation", [0.0, 2.0])
def test_the_spread_of_service_times_counts_by_pollaczek_and_khinchine(variation: float) -> None:
    came_s, seconds = queue(0.7)
    seconds = np.random.default_rng(1).gamma(1 / variation, variation, COUNT) if variation else np.ones(COUNT)
    waits = simulate(came_s, seconds, Pods(1, places=NO_BOUND))
    known = 0.7 * (1 + variation) / 2 / 0.3
    assert waits.mean() == pytest.approx(known, rel=0.1)
    assert allen_cunneen(0.7, seconds, 1) == pytest.approx(known, rel=0.03)


def test_albums_wait_for_each_other() -> None:
    came_s, seconds = queue(0.5, album=4.0)
    waits = simulate(came_s, seconds, Pods(1, places=NO_BOUND))
    assert waits.mean() == pytest.approx((4 - 1 + 0.5) / (1 - 0.5), rel=0.06)
    assert allen_cunneen(0.5, seconds, 1, album=4.0) < waits.mean()


def test_a_bound_refuses_as_known() -> None:
    came_s, seconds = queue(0.9)
    waits = simulate(came_s, seconds, Pods(1, places=4))
    assert np.isnan(waits).mean() == pytest.approx(0.1 * 0.9**4 / (1 - 0.9**5), rel=0.03)
    blocked = 1 / (1 + 1 + 1 / 2)  # Erlang's B for two servers without room to wait, one at work all the time
    came_s, seconds = queue(0.5, servers=2)
    waits = simulate(came_s, seconds, Pods(2, places=1))
    assert np.isnan(waits).mean() == pytest.approx(blocked / 2, rel=0.03)
    assert np.nanmax(waits) == 0


def test_a_closed_form_says_where_nothing_holds() -> None:
    with pytest.raises(ValueError, match=r"2\.00 servers are at work"):
        allen_cunneen(2.0, np.ones(5), 2)


def test_every_picture_waits_or_is_refused_and_no_pod_has_two_at_work() -> None:
    came_s, seconds = queue(0.95, servers=3, album=3.0)
    came_s, seconds = came_s[:5000], seconds[:5000]
    waits = simulate(came_s, seconds, Pods(3, places=5))
    let_in = ~np.isnan(waits)
    assert 0 < let_in.sum() < len(waits)
    assert (waits[let_in] >= 0).all()
    starts = (came_s + waits)[let_in]
    ends = starts + seconds[let_in] - 1e-6  # starts and ends are rounded
    at = np.sort(starts)
    at_work = np.searchsorted(at, at, "right") - np.searchsorted(np.sort(ends), at, "right")
    inside = np.searchsorted(came_s[let_in], at, "right") - np.searchsorted(np.sort(ends), at, "right")
    assert at_work.max() == 3
    assert inside.max() == 15


def test_more_pods_and_less_to_do_wait_less() -> None:
    came_s, seconds = queue(0.9, servers=4)
    came_s, seconds = came_s[:20_000], seconds[:20_000]
    by_pods = [Found.of(simulate(came_s, seconds, Pods(count))) for count in (3, 4, 6, 8)]
    assert [found.mean for found in by_pods] == sorted((found.mean for found in by_pods), reverse=True)
    assert [found.refused for found in by_pods] == sorted((found.refused for found in by_pods), reverse=True)
    by_load = [
        simulate(came_s * stretch, seconds, Pods(4, places=NO_BOUND)).mean() for stretch in (2, 1.2, 1)
    ]
    assert by_load == sorted(by_load)


def test_queues_of_their_own_wait_longer_than_one_for_all() -> None:
    came_s, seconds = queue(0.8, servers=4)
    apart = simulate(came_s, seconds, Pods(4, places=NO_BOUND)).mean()
    together = simulate(came_s, seconds, Pods(1, 4, NO_BOUND)).mean()
    assert together < apart < simulate(*queue(0.8), Pods(1, places=NO_BOUND)).mean()


@pytest.mark.parametrize("album", [1.0, 5.0])
def test_arrivals_have_rate_albums_and_seed(album: float) -> None:
    came_s = arrivals(3.0, COUNT, np.random.default_rng(0), album)
    assert COUNT / came_s[-1] == pytest.approx(3.0, rel=0.03)
    assert COUNT / len(np.unique(came_s)) == pytest.approx(album, rel=0.03)
    assert np.array_equal(came_s, arrivals(3.0, COUNT, np.random.default_rng(0), album))
    assert not np.array_equal(came_s, arrivals(3.0, COUNT, np.random.default_rng(1), album))


def test_a_cost_is_found_again() -> None:
    rng = np.random.default_rng(0)
    cost = Cost(0.5, 2.0, (0.1, 1.0, 1.9))  # contents count for more than sizes
    megapixels = rng.uniform(0.1, 4, 3000)
    seconds = np.array([cost.draw(size, 1, rng)[0] for size in megapixels])
    found = fitted(megapixels, seconds)
    assert found.fixed_s == pytest.approx(0.5, rel=0.15)
    assert found.s_per_mp == pytest.approx(2.0, rel=0.05)
    assert np.mean(found.ratios) == pytest.approx(1)
    assert np.std(found.ratios) == pytest.approx(np.std(cost.ratios), rel=0.05)
    assert fitted(megapixels, 3 * megapixels).fixed_s == pytest.approx(0, abs=1e-9)


def test_a_mix_has_its_mean() -> None:
    costs = {"photograph": Cost(1.0, 1.0), "print": Cost(0.0, 10.0, (0.5, 1.5))}
    mix = [("photograph", 3.0, 0.75), ("print", 2.0, 0.25)]
    seconds = drawn(mix, costs, COUNT, np.random.default_rng(0))
    assert seconds.mean() == pytest.approx(0.75 * 4 + 0.25 * 20, rel=0.02)
    assert set(seconds) == {4.0, 10.0, 30.0}
    with pytest.raises(KeyError):
        drawn([("print", 1.0, 0.5), ("unknown", 1.0, 0.5)], costs, 10, np.random.default_rng(0))
    with pytest.raises(ValueError, match="sum to 1"):
        drawn(mix[:1], costs, 10, np.random.default_rng(0))


def test_the_assumed_shares_add_up() -> None:
    assert sum(share for *_, share in MIX) == pytest.approx(1)
    assert {kind for kind, *_ in MIX} <= set(queueing_served.KINDS)


def test_the_fewest_pods_do_and_one_less_does_not() -> None:
    wanted = Wanted(p95_s=1.0, album=3.0)
    seconds = np.random.default_rng(0).exponential(1.0, 20_000)
    count, found = fewest(4.0, seconds, wanted)
    came_s = arrivals(4.0, len(seconds), np.random.default_rng(wanted.seed), wanted.album)
    less = Found.of(simulate(came_s, seconds, Pods(count - 1)))
    assert found == Found.of(simulate(came_s, seconds, Pods(count)))
    assert found.p95 <= 1.0 < less.p95
    with pytest.raises(ValueError, match="do not do"):
        fewest(4.0, seconds, replace(wanted, p95_s=-1.0))


def test_many_pods_keep_some_room() -> None:
    seconds = np.full(20_000, 1.0)
    count, found = fewest(200.0, seconds, Wanted())
    assert count == math.ceil(200 / queueing.MOST_USE)
    assert found.p95 < 0.1


def test_sizes_grow_with_pictures_and_costs_do_not() -> None:
    wanted = Wanted(peak=2.0, price=0.1)
    rows = sizes((1e6, 1e7), ONE_SECOND, wanted)
    (small, large) = (dict(zip(queueing.HEADER, row, strict=True)) for row in rows)
    assert small["pictures a month"] == "1,000,000"
    assert float(large["a second at the peak"]) == pytest.approx(2e7 / MONTH_S, abs=0.01)
    assert int(large["pods"]) > int(small["pods"])
    assert int(small["cores"]) == wanted.cores * int(small["pods"])
    assert float(large["cost per 1,000"]) <= float(small["cost per 1,000"])
    assert float(large["at full use"]) == pytest.approx(1000 * 4 / 3600 * 0.1, abs=0.01)
    month_core_hours = int(small["cores"]) * MONTH_S / 3600
    assert float(small["cost per 1,000"]) == pytest.approx(month_core_hours * 0.1 / 1000, abs=0.01)


def test_simulated_means_stand_beside_closed_forms(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.argv", ["queueing", "theory"])
    monkeypatch.setattr(queueing, "COUNT", 10_000)
    queueing.main()
    rows = [line.split("|") for line in capsys.readouterr().out.splitlines() if "%" in line]
    assert len(rows) == 5
    for row in rows[:-1]:  # albums are only approximate
        assert float(row[-2]) == pytest.approx(float(row[-3]), rel=0.15)


def test_sizes_are_printed_from_what_was_fitted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds = {name: asdict(cost) for name, cost in ONE_SECOND.items()}
    (tmp_path / "queueing.json").write_text(json.dumps({"kinds": kinds}))
    mix = tmp_path / "mix.json"
    mix.write_text(json.dumps([["photograph", 2, 0.5], ["print", 4, 0.5]]))
    monkeypatch.setattr(queueing, "RESULTS", tmp_path)
    monkeypatch.setattr(queueing, "COUNT", 2000)
    monkeypatch.setattr(queueing, "MONTHS", (1e5,))
    monkeypatch.setattr("sys.argv", ["queueing", "sizes", "--mix", str(mix), "--price", "0.5"])
    queueing.main()
    printed = capsys.readouterr().out
    assert "3.0 megapixels and 3.6 processor seconds a picture" in printed
    assert printed.count("| 100,000 |") == 2


def test_pictures_are_scaled_and_evenly_chosen(tmp_path: Path) -> None:
    for number in range(5):
        Image.new("L", (60, 30)).save(tmp_path / f"{number}.jpg")
    files = queueing_served.files_of(tmp_path, 3)
    assert [file.stem for file in files] == ["0", "2", "4"]
    (tmp_path / "big.jpg").write_bytes(queueing_served.scaled(files[0], 0.02))
    with Image.open(tmp_path / "big.jpg") as opened:
        assert opened.size == (200, 100)


@pytest.mark.anyio
async def test_pictures_go_to_the_edge_with_the_fewest_when_they_come() -> None:
    asked: list[str] = []

    async def answer(request: httpx.Request) -> httpx.Response:
        asked.append(f"{request.url.host} {request.headers['X-Request-Id']}")
        await asyncio.sleep(0.2)
        return httpx.Response(429 if request.headers["X-Request-Id"] == "r1" else 200)

    clients = [
        httpx.AsyncClient(base_url=f"http://{name}", transport=httpx.MockTransport(answer)) for name in "ab"
    ]
    took_s = await queueing_served.send(clients, np.array([0, 0.05, 0.4]), [b"", b"", b""], "stages=")
    assert asked == ["a r0", "b r1", "a r2"]
    assert np.isnan(took_s[1])
    assert took_s[[0, 2]] == pytest.approx(0.2, abs=0.15)


@pytest.mark.anyio
async def test_an_edge_that_fails_ends_the_check() -> None:
    failing = httpx.MockTransport(lambda _: httpx.Response(500))
    client = httpx.AsyncClient(base_url="http://a", transport=failing)
    with pytest.raises(httpx.HTTPStatusError):
        await queueing_served.send([client], np.zeros(1), [b""], "")


@pytest.mark.anyio
async def test_stand_ins_take_the_times_that_are_known() -> None:
    waits = await queueing_served.stand_ins_waits(np.array([0, 0, 0.01]), np.array([0.6, 0.3, 0.1]))
    assert waits[:2] == pytest.approx(0, abs=0.25)
    assert waits[2] > 0.2


def test_a_pod_at_a_use_answers_as_known() -> None:
    rng = np.random.default_rng(0)
    times = queueing_served.simulated_times(Cost(1.0, 0.0), 0.6, 20_000, rng)
    assert times.mean() == pytest.approx(1 + 0.6 / 0.4 / 2, rel=0.08)
