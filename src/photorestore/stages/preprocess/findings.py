"""Define what `preprocess` finds out about a picture, and answer the stages' questions about it. No torch here."""

from __future__ import annotations

from dataclasses import dataclass

from photorestore.errors import BrokenArtifact
from photorestore.findings import Findings, find
from photorestore.options import THOROUGH, UNTOUCHED
from photorestore.records import read_record
from photorestore.workspace import Workspace

NOISY_255 = 12.0
"""White noise from this estimate up is not explained by any photograph's texture."""


@dataclass(frozen=True, slots=True)
class Estimates:
    """What was measured in a picture's samples.

    Attributes:
        region: top, left, height and width of the picture inside its border, in pixels.
        sigma_255: noise, standard deviation in 8-bit units, mean over channels; 0 for pictures below 32 px.
        grain_255: the same for noise wider than a pixel, as film grain is; includes fine texture.
        surface_255: the same for grain and paper of any width, from `flat_places`; 3 in most clean photographs, but 8
            and more in those without a flat place.
        noisy: whether denoising is worth it.
        jpeg_quality: 1 to 100 in libjpeg's scale; None where no table tells it.
        artefacts_255: the same for JPEG artefacts, from `compression.artefacts_of`, or None.
        gradient_255: mean difference of neighbours along columns and rows, added; 0 for pictures below 32 px.
        blur: 0 sharp to 1 blurred (Crété-Roffet et al., 2007).
        fading: 0 to 1.
        faded: whether lifting the tone is worth it.
        cast: three factors minus one by which a channel exceeds grey.
        is_grey: whether the channels are equal, apart from compression.
        one_colour: whether all pixels are equal.
    """

    region: tuple[int, int, int, int]
    sigma_255: float
    grain_255: float
    surface_255: float
    noisy: bool
    jpeg_quality: int | None
    artefacts_255: float | None
    gradient_255: float
    blur: float
    fading: float
    faded: bool
    cast: tuple[float, float, float]
    is_grey: bool
    one_colour: bool


@dataclass(frozen=True, kw_only=True)  # without slots, as its heir has another parent with them
class Decided(Findings):
    """What is known of every picture: the mode, and the judgement where anything depends on it.

    Attributes:
        one_colour: whether all pixels are equal.
        before_normalise: what was measured before the picture was normalised; None where it was not.
        kind: the likeliest of `network.KINDS`; None, like all that follow but the mode, where nobody judged.
        confidence: how likely it is.
        hues_255: how far the colours stray from one hue for each tone.
        damaged, toned: whether the picture is.
        probabilities: of each of `network.FLAGS`, by name.
        mode: how much is done by default: `GENTLE`, `THOROUGH` or `UNTOUCHED`.
    """

    one_colour: bool
    before_normalise: Estimates | None = None
    kind: str | None = None
    confidence: float | None = None
    hues_255: float | None = None
    damaged: bool | None = None
    toned: bool | None = None
    probabilities: dict[str, float] | None = None
    mode: str

    @property
    def kind_in_words(self) -> str:
        """Return what kind of picture it was taken for."""
        return (self.kind or "no photograph").replace("_", " ")

    @property
    def is_print(self) -> bool:
        """Return whether it was taken for a print."""
        return self.kind == "print"

    @property
    def is_judged_noisy(self) -> bool:
        """Return whether it was taken for a noisy photograph or print."""
        return self.kind in ("photograph", "print") and (self.probabilities or {}).get("noisy", 0.0) >= 0.5

    @property
    def is_thorough(self) -> bool:
        """Return whether the whole chain is to work at full strength."""
        return self.mode == THOROUGH

    @property
    def is_untouched(self) -> bool:
        """Return whether it is to be left as it is."""
        return self.mode == UNTOUCHED

    @property
    def is_normalised(self) -> bool:
        """Return whether cast, fading and contrast were normalised."""
        return self.before_normalise is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class PreprocessFindings(Estimates, Decided):
    """The estimates, as corrected by the judgement, and what else is known, where anything depends on them."""

    @classmethod
    def read(cls, document: object) -> Findings:
        """See `Findings.read`; a picture that was not measured has less."""
        is_measured = isinstance(document, dict) and "region" in document
        return read_record(cls if is_measured else Decided, document)

    @property
    def was_faded(self) -> bool:
        """Return whether the upload was faded."""
        return (self.before_normalise or self).faded

    @property
    def most_grain_255(self) -> float:
        """Return how much grain the picture can have at most, in 8-bit units.

        An old print and a very noisy picture may have any amount; in others fine texture would be taken for grain.
        """
        return 255.0 if self.is_thorough or self.sigma_255 >= NOISY_255 else 0.0


def decided_of(workspace: Workspace) -> Decided:
    """Return what `preprocess` knows of a request's picture, whether it measured it or not.

    Raises:
        BrokenArtifact: it has not run.
    """
    found = find(workspace.envelope.estimates, Decided)
    if found is None:
        raise BrokenArtifact("preprocess has not run")
    return found


def findings_of(workspace: Workspace) -> PreprocessFindings:
    """Return what `preprocess` found out about a request's picture; only stages whose row `reads_estimates` may ask.

    Raises:
        BrokenArtifact: it has not run, or has measured nothing.
    """
    found = decided_of(workspace)
    if not isinstance(found, PreprocessFindings):
        raise BrokenArtifact("the picture was not measured")
    return found


def is_grey(workspace: Workspace) -> bool:
    """Return whether a picture is grey: by its file, or because its channels are equal but for compression."""
    source = workspace.envelope.source
    return (source is not None and source.is_grey) or findings_of(workspace).is_grey
