"""When the stage looks for damage, and what it writes down."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bench.sound import SOUND
from photorestore.networks.descriptor import Network
from photorestore.networks.runner import Runner, load_runner
from photorestore.networks.tiling import to_float
from photorestore.options import Options
from photorestore.stages.base import run_stage
from photorestore.stages.preprocess.findings import decided_of
from photorestore.stages.scratch import masks
from photorestore.stages.scratch.findings import ScratchFindings
from photorestore.stages.scratch.glance_network import Cored, Glance, Glanced
from photorestore.stages.scratch.looks import MIRRORED, TURNED, UPRIGHT, righted, seen
from photorestore.stages.scratch.network import ScratchUNet
from photorestore.stages.scratch.search import GLANCED, PHOTOGRAPHS, PRINTS, Search, choose
from photorestore.stages.scratch.stage import GLANCE, ScratchStage, with_glance
from photorestore.workspace import Workspace
from tests.conftest import found_by, make_photo

WIDTHS = (16, 16)


def make_stage(logit: float = -4.0, in_prints: float | None = None, glance: float = 9.0) -> ScratchStage:
    """Detectors and a glance that answer the same everywhere; that for prints by a logit of its own, if given."""
    networks: dict[str, Network[torch.Tensor]] = {
        PHOTOGRAPHS: constant_detector(logit),
        PRINTS: constant_detector(logit if in_prints is None else in_prints),
        GLANCE: constant_glance(glance),
    }
    runners = {name: Runner(network, precision="float32", tile_px=256) for name, network in networks.items()}
    return ScratchStage(runners)


def constant_detector(logit: float) -> ScratchUNet:
    network = ScratchUNet(WIDTHS).eval()
    torch.nn.init.zeros_(network.tail.weight)
    assert network.tail.bias is not None
    torch.nn.init.constant_(network.tail.bias, logit)
    return network


def constant_glance(logit: float) -> Glance:
    network = Glance(WIDTHS).eval()
    last = network.layers[-1]
    assert isinstance(last, torch.nn.Conv2d)
    torch.nn.init.zeros_(last.weight)
    torch.nn.init.constant_(last.bias, logit)  # type: ignore[arg-type]
    return network


def give_photo(workspace: Workspace, h: int = 70, w: int = 90) -> Workspace:
    workspace.write_plane("image", np.ascontiguousarray(make_photo(h, w).transpose(2, 0, 1)))
    workspace.envelope.current = "image"
    workspace.envelope.estimates["preprocess"] = SOUND
    return workspace


def test_probability_is_written_and_the_picture_stays(workspace: Workspace) -> None:
    run_stage(make_stage(0.0), [give_photo(workspace)])
    assert workspace.envelope.problem is None
    prob = workspace.plane("scratch_prob")
    assert prob.shape == (1, 70, 90)
    assert prob.dtype == np.uint16
    assert (prob == 32768).all()
    assert workspace.envelope.current == "image"
    assert not workspace.plane("scratch_mask").any()
    assert workspace.envelope.estimates["scratch"] == ScratchFindings(0.0)
    assert workspace.envelope.trace["scratch"].note == "no damage found"


def judge(workspace: Workspace, mode: str) -> Workspace:
    kind = "print" if mode == "thorough" else "photograph"
    workspace.envelope.estimates["preprocess"] = replace(
        SOUND, mode=mode, damaged=mode == "thorough", kind=kind
    )
    return workspace


@pytest.fixture
def _everything_may_be_damaged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(masks, "MOST_IN_DAMAGED", 1.0)


@pytest.mark.usefixtures("_everything_may_be_damaged")
def test_damage_is_reported_as_a_share(workspace: Workspace) -> None:
    run_stage(make_stage(4.0), [judge(give_photo(workspace), "thorough")])
    assert (workspace.plane("scratch_mask") == 255).all()
    assert found_by(workspace, ScratchFindings).coverage == 1.0
    assert workspace.envelope.trace["scratch"].note == "100.00 % damaged"


@pytest.mark.parametrize(("mode", "views"), [("gentle", [1]), ("thorough", [1, 1, 1, 2])])
def test_a_damaged_print_is_looked_at_at_several_scales_and_turned(
    tmp_path: Path, mode: str, views: list[int]
) -> None:
    workspace = judge(give_photo(Workspace.create(tmp_path, Options()), 200, 1200), mode)
    looks = Search.of(workspace, None).looks
    assert [look.factor for look in looks] == views
    assert [look.way for look in looks] == [UPRIGHT, UPRIGHT, TURNED, UPRIGHT][: len(looks)]


@pytest.mark.parametrize(
    ("judged", "options", "networks"),
    [
        ({"kind": "print", "mode": "thorough"}, {}, (PHOTOGRAPHS, PRINTS)),
        ({"kind": "photograph", "mode": "gentle"}, {}, (GLANCED,)),
        ({"kind": "photograph", "mode": "thorough"}, {}, (PHOTOGRAPHS, PRINTS)),
        ({"kind": "photograph", "mode": "gentle"}, {"mode": "thorough"}, (PHOTOGRAPHS, PRINTS)),
        ({"kind": "photograph", "mode": "gentle"}, {"stages": ("scratch",)}, (PHOTOGRAPHS, PRINTS)),
    ],
)
def test_what_may_be_damaged_is_looked_at_by_both_networks(
    tmp_path: Path, judged: dict[str, Any], options: dict[str, Any], networks: tuple[str, ...]
) -> None:
    workspace = Workspace.create(tmp_path, Options(**options))
    workspace.envelope.estimates["preprocess"] = replace(SOUND, **judged)
    assert choose(workspace) == networks


@pytest.mark.parametrize(
    ("logit", "in_prints", "leader", "prob"),
    [
        (0.0, 2.0, PHOTOGRAPHS, 32768),  # the other one is not sure
        (2.5, 3.0, PHOTOGRAPHS, 62426),  # both are sure of as much
        (2.0, 3.0, PRINTS, 62426),
        (-30.0, 3.0, PRINTS, 62426),
    ],
)
def test_where_both_look_that_for_prints_leads_if_it_is_sure_of_more(
    tmp_path: Path, logit: float, in_prints: float, leader: str, prob: int
) -> None:
    stage = make_stage(logit, in_prints)
    workspace = judge(give_photo(Workspace.create(tmp_path, Options(mode="thorough"))), "gentle")
    search = Search.of(workspace, None)
    assert search.leader is None
    while True:
        for name, network in stage.networks.items():
            if name in (PHOTOGRAPHS, PRINTS):
                network.fill(search.jobs(name, network), lambda logits, _tiles: logits.sigmoid())
        if not search.goes_on():
            break
    assert search.leader == leader
    search.finish()
    assert np.abs(workspace.plane("scratch_prob").astype(int) - prob).max() <= 1


@pytest.mark.parametrize(("leader", "share"), [(PHOTOGRAPHS, 0.2), (PRINTS, 0.4)])
def test_the_leading_network_looks_again_in_its_own_way(tmp_path: Path, leader: str, share: float) -> None:
    workspace = judge(give_photo(Workspace.create(tmp_path, Options(mode="thorough")), 40, 100), "gentle")
    search = Search.of(workspace, None)
    for look in search.looks:
        look.prob[:] = 0
        look.prob[..., : int(100 * (0.3 if look.network == PHOTOGRAPHS else share))] = 65535
    assert search.goes_on()
    (again,) = search.due
    assert (again.network, again.way) == (leader, {PHOTOGRAPHS: MIRRORED, PRINTS: TURNED}[leader])
    assert (again.view == seen(workspace.plane("image"), again.way)).all()
    again.prob[:] = 0
    again.prob[..., :10] = 65535
    assert not search.goes_on()
    search.finish()
    at = righted(again.prob, again.way) == 65535
    prob = workspace.plane("scratch_prob")
    assert not (prob[at] == 0).any()
    assert {int(value) for value in prob[at]} <= {32767, 65535}


def test_what_is_found_in_a_print_is_the_mean_of_how_it_is_seen(tmp_path: Path) -> None:
    torch.manual_seed(3)
    stage = make_stage(-30.0, in_prints=0.0)
    network = stage.networks[PRINTS]
    assert isinstance(network.network, ScratchUNet)
    torch.nn.init.normal_(network.network.tail.weight)
    workspace = judge(give_photo(Workspace.create(tmp_path, Options()), 64, 96), "thorough")
    image = to_float(workspace.plane("image"))[None]
    seen = [network(image).sigmoid(), network(image.rot90(1, (2, 3))).sigmoid().rot90(-1, (2, 3))]
    run_stage(stage, [workspace])
    prob = to_float(workspace.plane("scratch_prob"))
    assert (seen[0] - seen[1]).abs().max() > 0.01
    assert torch.allclose(prob, torch.stack(seen).mean(0)[0], atol=0.01)


@pytest.mark.parametrize(
    ("logit", "in_prints", "prob"),
    [(1.0, -3.0, 3109), (4.0, -3.0, 65535), (4.0, -30.0, 0)],  # not sure; sure; sure, and ruled out
)
def test_in_prints_the_network_for_photographs_counts_where_it_is_sure(
    tmp_path: Path, logit: float, in_prints: float, prob: int
) -> None:
    workspace = judge(give_photo(Workspace.create(tmp_path, Options())), "thorough")
    run_stage(make_stage(logit, in_prints), [workspace])
    assert np.abs(workspace.plane("scratch_prob").astype(int) - prob).max() <= 1


@pytest.mark.parametrize(("options", "coverage"), [(Options(), 0.0), (Options(mode="thorough"), 0.002)])
def test_stars_are_dust_only_where_the_caller_says_that_there_is_damage(
    tmp_path: Path, options: Options, coverage: float
) -> None:
    workspace = Workspace.create(tmp_path, options)
    sky = np.full((3, 100, 200), 10, np.uint8)
    for left in (20, 80, 120, 150, 190):
        sky[:, 40:44, left : left + 2] = 250
    workspace.write_plane("image", sky)
    workspace.envelope.current = "image"
    search = Search.of(judge(workspace, "thorough"), None)
    for look in search.looks:
        look.prob[:] = np.where(look.view[:1] > 200, 65535, 0)
    assert search.finish() == coverage


@pytest.mark.usefixtures("_everything_may_be_damaged")
def test_what_is_likely_counts_in_a_damaged_print_only(tmp_path: Path) -> None:
    for mode, coverage in (("gentle", 0.0), ("thorough", 1.0)):
        options = Options(mode="gentle" if mode == "gentle" else "auto")
        workspace = judge(give_photo(Workspace.create(tmp_path, options)), mode)
        run_stage(make_stage(3.0), [workspace])
        assert found_by(workspace, ScratchFindings).coverage == coverage


@pytest.mark.usefixtures("_everything_may_be_damaged")
@pytest.mark.parametrize(
    ("logit", "in_prints", "kind", "mode", "coverage"),
    [
        (3.0, 3.0, "print", "auto", 0.0),
        (3.0, 2.0, "photograph", "auto", 0.0),  # not sure enough
        (2.0, 3.0, "photograph", "auto", 0.0),  # not suspected
        (3.0, 3.0, "photograph", "gentle", 0.0),
        (3.0, 3.0, "line_art", "auto", 0.0),
    ],
)
def test_what_was_judged_sound_is_damaged_if_both_networks_say_so(
    tmp_path: Path, logit: float, in_prints: float, kind: str, mode: str, coverage: float
) -> None:
    workspace = give_photo(Workspace.create(tmp_path, Options(mode=mode)))
    workspace.envelope.estimates["preprocess"] = replace(SOUND, mode="gentle", kind=kind)
    run_stage(make_stage(logit, in_prints), [workspace])
    assert found_by(workspace, ScratchFindings).coverage == coverage


@pytest.mark.parametrize(("rows", "coverage"), [(3, 0.23), (20, 0.0)])
def test_what_was_judged_sound_is_damaged_where_the_one_for_prints_is_sure_of_more(
    tmp_path: Path, rows: int, coverage: float
) -> None:
    workspace = judge(give_photo(Workspace.create(tmp_path, Options()), 100, 90), "gentle")
    search = Search.of(workspace, None)
    search.due[0].prob[:] = 0
    search.due[0].prob[0, 80 : 80 + rows] = 60000
    while search.goes_on():
        for look in search.due:
            look.prob[:] = 0
            (look.prob[:, :, :20] if look.way == TURNED else look.prob[:, :20])[:] = 65535
    assert search.finish() == pytest.approx(coverage, abs=0.001)


def test_a_suspicion_costs_little(tmp_path: Path) -> None:
    workspace = judge(give_photo(Workspace.create(tmp_path, Options()), 200, 2600), "gentle")
    search = Search.of(workspace, None)
    (look,) = search.due
    look.prob[:] = 0
    assert not search.goes_on()
    look.prob[0, :20, :40] = 65535
    assert search.goes_on()
    (suspicion,) = search.due
    assert (suspicion.network, suspicion.factor, suspicion.view.shape) == (PRINTS, 2, (3, 100, 1300))
    suspicion.prob[:] = 0
    assert not search.goes_on()
    assert search.looks == [look]
    suspicion.prob[0, :10, :50] = 65535
    assert search.goes_on()
    assert [(each.factor, each.way) for each in search.due] == [(1, UPRIGHT), (2, UPRIGHT), (1, TURNED)]
    assert search.looks == [look, search.due[0], search.due[2], search.due[1]]
    assert not search.goes_on()


@pytest.mark.parametrize(("damaged", "coverage"), [(True, 0.002), (False, 0.0)])
def test_a_photograph_that_is_said_to_be_damaged_is_suspected_in_any_case(
    tmp_path: Path, damaged: bool, coverage: float
) -> None:
    workspace = judge(give_photo(Workspace.create(tmp_path, Options()), 100, 200), "gentle")
    workspace.envelope.estimates["preprocess"] = replace(decided_of(workspace), damaged=damaged)
    crack = np.zeros((1, 100, 200), np.uint16)
    crack[:, 40:42, 50:70] = 65535
    search = Search.of(workspace, None)
    search.due[0].prob[:] = 0
    while search.goes_on():
        for look in search.due:
            look.prob[:] = seen(crack, look.way)
    assert search.finish() == pytest.approx(coverage)


def test_it_passes_when_the_caller_marked_the_damage(workspace: Workspace) -> None:
    give_photo(workspace).write_plane("hole_mask", np.zeros((1, 70, 90), np.uint8))
    run_stage(make_stage(), [workspace])
    assert workspace.envelope.trace["scratch"].outcome == "passed"
    assert "scratch_prob" not in workspace.envelope.planes


@pytest.mark.parametrize("stages", [(), ("denoise",)])
def test_it_passes_when_it_is_not_asked_for(tmp_path: Path, stages: tuple[str, ...]) -> None:
    workspace = give_photo(Workspace.create(tmp_path, Options(stages=stages)))
    run_stage(make_stage(), [workspace])
    assert workspace.envelope.trace["scratch"].note == "not asked for"
    assert "scratch" not in workspace.envelope.estimates


def test_a_batch_gives_what_each_picture_gives_alone(tmp_path: Path) -> None:
    torch.manual_seed(1)
    stage = make_stage()
    network = stage.networks[PHOTOGRAPHS].network
    assert isinstance(network, ScratchUNet)
    torch.nn.init.normal_(network.tail.weight)
    sizes = [(70, 90), (33, 41), (64, 64)]
    together = [give_photo(Workspace.create(tmp_path, Options()), *size) for size in sizes]
    alone = [give_photo(Workspace.create(tmp_path, Options()), *size) for size in sizes]
    run_stage(stage, together)
    for workspace in alone:
        run_stage(stage, [workspace])
    for one, other in zip(together, alone, strict=True):
        assert np.abs(one.plane("scratch_prob").astype(int) - other.plane("scratch_prob")).max() <= 1


def test_where_the_glance_sees_nothing_the_probability_is_0(workspace: Workspace) -> None:
    run_stage(make_stage(9.0, glance=-1.0), [give_photo(workspace)])
    assert not workspace.plane("scratch_prob").any()
    assert not workspace.plane("scratch_mask").any()
    assert workspace.envelope.trace["scratch"].note == "no damage found"


@pytest.mark.parametrize(
    ("mode", "options"),
    [("thorough", {}), ("gentle", {"mode": "thorough"}), ("gentle", {"stages": ("scratch",)})],
)
def test_in_what_may_be_damaged_nobody_goes_by_the_glance(
    tmp_path: Path, mode: str, options: dict[str, Any]
) -> None:
    workspace = judge(give_photo(Workspace.create(tmp_path, Options(**options))), mode)
    run_stage(make_stage(9.0, in_prints=-3.0, glance=-1.0), [workspace])
    assert (workspace.plane("scratch_prob") > 65000).all()


def test_a_detector_that_the_glance_was_not_trained_with_is_not_stopped() -> None:
    detector, glance = constant_detector(0.0), Runner(constant_glance(0.0))
    assert isinstance(with_glance(Runner(detector), glance).network, Glanced)
    other = Runner(ScratchUNet(WIDTHS).eval())
    wider = Runner(ScratchUNet((32, 32)).eval())
    for each in (other, wider):
        assert type(with_glance(each, glance).network) is Cored


def test_the_delivered_glance_was_trained_with_the_delivered_detector() -> None:
    for precision in ("float32", "auto"):  # as it is, and in 8 bits where the processor can
        detector, glance = (load_runner(name, precision=precision) for name in (PHOTOGRAPHS, GLANCE))
        assert isinstance(with_glance(detector, glance).network, Glanced)
