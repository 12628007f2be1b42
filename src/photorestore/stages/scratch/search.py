"""Search a picture for damage: which network looks at which view of it, and what is made of all that they find."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from torch import Tensor

from photorestore.networks.runner import Runner
from photorestore.networks.tiling import TileJob
from photorestore.options import AUTO, THOROUGH
from photorestore.pixels.bands import bands
from photorestore.stages.preprocess.findings import decided_of
from photorestore.stages.preprocess.scene import features_of, plane_view, see
from photorestore.stages.scratch import masks
from photorestore.stages.scratch.lights import is_dark, leave_lights
from photorestore.stages.scratch.looks import MIRRORED, TURNED, UPRIGHT, Look, average, seen
from photorestore.stages.scratch.scales import BAND_ROWS, factors_of, fuse, shrunk
from photorestore.workspace import Array, Workspace

PHOTOGRAPHS, PRINTS = "scratch", "scratch_print"
"""The network trained on damaged film and on sound photographs, and the one trained on damaged prints."""
GLANCED = "scratch, at a glance"
"""The first one, when it may be stopped."""
SURE = 0.9
"""Probability from which a network is sure of damage."""
RULED_OUT = 0.02
"""In prints the network for photographs is believed where it is sure and that for prints gives at least this. On
held-out prints with damage of film the F1 is .83 at `masks.CERTAIN_IN_DAMAGED`; .84 if nothing were ruled out, .80 if
it were not believed. Of sound ones .019 % is marked at `masks.CERTAIN_IN_PRINTS`, in place of .037."""
LEADING = 1.3
"""What was not judged a print is taken for damaged film unless the network for prints is sure of so many times as much
of it as the other. In film the former counts where it is sure only, else the greater probability of both. Of held-out
photographs under damage of film the F1 is .756, under damage of prints .718 or, where they were aged, .800, in place of
.734, .718 and .801 if the greater one counted everywhere."""
AGAIN = {PHOTOGRAPHS: MIRRORED, PRINTS: TURNED}
"""How the leading network sees the picture when it looks again: scratches of film run along the height."""
SUSPECTED, MUCH = 0.0003, 0.003
"""What is judged a sound photograph is looked at as a print, too, where the network for photographs is sure of more
than the first share, and is damaged after all if that for prints is sure of more than the second, and of more than the
other one, which takes rails and ropes for film's scratches: so are 17 of 25 damaged pictures, held out and made in
code, that were judged sound, and 1 of 215 sound ones. It is suspected of 20 % of the photographs."""
MUCH_IF_DAMAGED = 0.001
"""What is said to be damaged, but treated gently since it is hardly a print, is suspected in any case, and less is
much: of held-out photographs it concerns two sound ones, in which less than this is found, and four made damaged ones,
in which .25 % is or more."""


@dataclass(slots=True)
class Search:
    """The search for damage in one picture.

    Attributes:
        certain: see `masks.find_damage`.
        trunk: a `SceneTrunk`; None where none of the detectors is told what is pictured.
        features: of what it shows, see `scene.features_of`.
        due: looks that are to be taken next.
        looks: what counts: the first is at full size; a second one of the same network stands behind it.
        leader: the network that knows this damage, see `LEADING`, and looks twice; None while that is not known.
        suspicion: a look at what was judged a photograph and treated gently, and may be a damaged print after all.
    """

    workspace: Workspace
    certain: float
    trunk: Runner[Tensor] | None
    features: Tensor | None
    due: list[Look] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)
    leader: str | None = None
    suspicion: Look | None = None

    @classmethod
    def of(cls, workspace: Workspace, trunk: Runner[Tensor] | None) -> Search:
        """Look at a picture as its options and its judgement ask."""
        features = None if trunk is None else see(workspace, trunk)
        search = cls(workspace, _certain(workspace), trunk, features)
        networks = choose(workspace)
        search._add([Look.at(search._image, network, search.features) for network in networks])
        if PRINTS in networks:
            search.leader = PRINTS if decided_of(workspace).is_print else None
            if search.certain < masks.CERTAIN_IN_OTHERS:
                search._look_further()
        return search

    def jobs(self, name: str, network: Runner[Tensor]) -> list[TileJob[None]]:
        """Return what a network has to do next."""
        return [look.job(network) for look in self.due if look.network == name]

    def goes_on(self) -> bool:
        """Return whether more looks are due, by what was found."""
        self.due = []
        if self.suspicion is not None:
            if len(self.looks) == 1 and sure_share(self.suspicion.prob) > self._much:
                self._add([Look.at(self._image, PRINTS, self.features)])
                self.leader = PRINTS
                self._look_further()
        elif len(self.looks) > 1:
            if self.leader is None:
                film, in_print = (sure_share(look.prob) for look in self.looks[:2])
                self.leader = PRINTS if in_print > LEADING * film else PHOTOGRAPHS
                self._look_again()
        elif _is_judged_photograph(self.workspace) and (
            decided_of(self.workspace).damaged or sure_share(self.looks[0].prob) > SUSPECTED
        ):
            factor = (1, *factors_of(*self._image.shape[1:]))[-1]  # the cost is bounded
            view = self._image if factor == 1 else shrunk(self._image, factor)
            self.suspicion = Look.at(view, PRINTS, self.features, factor)
            self.due = [self.suspicion]
        return bool(self.due)

    def finish(self) -> float:
        """Write `scratch_prob` and `scratch_mask`, and return the share of pixels in the mask."""
        for look, again in pairwise(self.looks):
            if again.way != UPRIGHT:
                average(look.prob, again.prob, again.way)
        looks = [look for look in self.looks if look.way == UPRIGHT]
        if self.suspicion is not None and len(looks) > 1:
            if sure_share(looks[1].prob) > max(self._much, sure_share(looks[0].prob)):
                self.certain = masks.CERTAIN_IN_DAMAGED
            else:
                looks = looks[:1]
        probs = [look.prob for look in looks]
        if decided_of(self.workspace).is_print:
            doubt(probs[0], ruling=probs[1])
            make_certain(probs[0], self.certain)
        elif self.leader == PHOTOGRAPHS:
            for prob in probs[1:]:
                doubt(prob)
        with self.workspace.new_plane("scratch_prob", probs[0].shape, "uint16") as target:
            fuse(probs, [look.factor for look in looks], target)
        mask = masks.find_damage(self.workspace.plane("scratch_prob"), self.certain)
        if not _is_told(self.workspace) and is_dark(self._image):
            leave_lights(mask, self._image)
        self.workspace.write_plane("scratch_mask", mask)
        return masks.coverage(mask)

    @property
    def _image(self) -> Array:
        return self.workspace.plane("image")

    @property
    def _much(self) -> float:
        return MUCH_IF_DAMAGED if decided_of(self.workspace).damaged else MUCH

    def _add(self, looks: list[Look]) -> None:
        self.looks += looks
        self.due += looks

    def _look_further(self) -> None:
        """Look at the picture as a print at other scales, and again as the leading network does, if it is known."""
        factors = factors_of(*self._image.shape[1:])
        self._add([Look.at(shrunk(self._image, n), PRINTS, self.features, n) for n in factors])
        if self.leader is not None:
            self._look_again()

    def _look_again(self) -> None:
        """Look at the picture in another way by the leading network."""
        assert self.leader is not None
        way = AGAIN[self.leader]
        view = seen(self._image, way)
        features = None if self.trunk is None else features_of(self.trunk, plane_view(view))
        again = Look.at(view, self.leader, features, way=way)
        self.looks.insert(1 + [look.network for look in self.looks].index(self.leader), again)
        self.due.append(again)


def choose(workspace: Workspace) -> tuple[str, ...]:
    """Choose the networks that look at a picture first: both at prints and at pictures taken for damaged."""
    is_sound = _certain(workspace) == masks.CERTAIN_IN_OTHERS and not decided_of(workspace).is_print
    return (GLANCED,) if is_sound else (PHOTOGRAPHS, PRINTS)


def sure_share(prob: Array) -> float:
    """Return the share of a probability (1, H, W), uint16, that is at least `SURE`."""
    least = round(SURE * np.iinfo(prob.dtype).max)
    return (
        sum(int(np.count_nonzero(prob[0, rows] >= least)) for rows in bands(prob.shape[1], BAND_ROWS))
        / prob.size
    )


def doubt(prob: Array, *, ruling: Array | None = None) -> None:
    """Keep of what one network finds what it is sure of and, if that is given, another one does not rule out.

    Args:
        prob: what it finds, (1, H, W), uint16; changed in place.
        ruling: what the other one finds, alike.
    """
    most = np.iinfo(prob.dtype).max
    doubted = prob < round(SURE * most)
    if ruling is not None:
        doubted |= ruling < round(RULED_OUT * most)
    prob[doubted] = 0


def make_certain(prob: Array, certain: float) -> None:
    """Raise a probability (1, H, W), uint16, to 1 where it is sure and at least `certain`; see `masks.trusted`."""
    most = np.iinfo(prob.dtype).max
    prob[prob >= round(max(SURE, certain) * most)] = most


def _certain(workspace: Workspace) -> float:
    """Return how certain the detector must be of a defect, by what was asked for and how the picture was judged."""
    found = decided_of(workspace)
    if _is_told(workspace):
        return masks.CERTAIN_IN_DAMAGED
    if not found.is_thorough:
        return masks.CERTAIN_IN_OTHERS
    return masks.CERTAIN_IN_DAMAGED if found.damaged else masks.CERTAIN_IN_PRINTS


def _is_told(workspace: Workspace) -> bool:
    """Return whether the caller says that the picture is damaged, by asking for this stage or for the whole chain."""
    return bool(workspace.options.wants("scratch")) or workspace.options.mode == THOROUGH


def _is_judged_photograph(workspace: Workspace) -> bool:
    """Return whether it was left to the judgement, which took the picture for a photograph to be treated gently."""
    return (
        choose(workspace) == (GLANCED,)
        and decided_of(workspace).kind == "photograph"
        and workspace.options.mode == AUTO
    )
