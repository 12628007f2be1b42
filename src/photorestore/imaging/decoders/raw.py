"""Develop cameras' raw files (docs/adr/0037): LibRaw unpacks them, the rest is done here.

Black level, white balance, demosaicking, and the camera's matrix to Rec. 2020, from where the profile leads on to sRGB.
What `Picture.demosaic` is given to is between the second and the third: values are encoded by sRGB's curve there.
Files without a mosaic of red, green and blue are developed by LibRaw, as are all where no network is at hand.
"""

from __future__ import annotations

import contextlib
import functools
import io
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from photorestore.errors import CorruptImage, NotAnImage
from photorestore.imaging.decoders.header import decoding
from photorestore.imaging.decoders.pixels import write_pixels
from photorestore.imaging.decoders.raw_header import RawHead
from photorestore.imaging.files.sniff import Limits, check_size
from photorestore.imaging.planes import as_stored
from photorestore.pixels.bands import strips
from photorestore.workspace import Array

if TYPE_CHECKING:
    from rawpy import RawPy

Floats = npt.NDArray[np.float64]
Samples = npt.NDArray[np.uint16]

Demosaic = Callable[[Array, Array, Array], None]
"""Fills the last, three channels (3, H, W), uint16, from a mosaic (1, H, W), uint16, and a pattern (3, H, W), uint8:
255 where red, green or blue was measured, else 0."""

FULL = 65535
LEAST_TOLD = 0.25
"""Of the first number of the matrix that a file brings; below, LibRaw takes there to be none."""
XYZ_OF_SRGB = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
REC_2020_OF_SRGB = np.array(
    [[0.6274039, 0.3292830, 0.0433131], [0.0690973, 0.9195404, 0.0113623], [0.0163914, 0.0880133, 0.8955953]]
)


class RawPicture:
    """A raw file whose header was read; see `header.Picture`.

    Attributes:
        demosaic: fills in the colours that each pixel lacks; None leaves all to LibRaw.
        wide: a plane (3, H, W), uint16, that `decode` fills with the colours as developed, in the header's profile; or
            None.
    """

    def __init__(self, upload: bytes, head: RawHead) -> None:
        self._upload = upload
        self._head = head
        self.header = head.header
        self.demosaic: Demosaic | None = None
        self.wide: Array | None = None

    def identify(self, limits: Limits) -> None:
        """Let LibRaw read the head, and set the header's size to what it will decode.

        Raises:
            NotAnImage: LibRaw does not know the camera.
            ImageTooLarge, TruncatedImage, CorruptImage: the file is not what it tells.
        """
        with self._opened() as raw:
            sizes = raw.sizes
            check_size(sizes.raw_width, sizes.raw_height, limits)
            check_size(sizes.width, sizes.height, limits)
            self.header.width, self.header.height = sizes.width, sizes.height

    def decode(self, image: Array, alpha: Array | None) -> None:
        with self._opened() as raw:
            colours = self._by_demosaic(raw)
            if colours is None:
                colours = self._by_libraw(raw)
        write_pixels(colours, None, self.header, image, alpha)
        if self.wide is not None:
            as_stored(self.wide, self.header.orientation)[:] = np.moveaxis(colours, -1, 0)

    @contextlib.contextmanager
    def _opened(self) -> Iterator[RawPy]:
        """Give the file to LibRaw, and turn what it raises into errors of ours."""
        import rawpy  # noqa: PLC0415 - most requests never need it

        raw, kind = rawpy.RawPy(), self.header.format
        try:
            with decoding(self._upload, kind):
                try:
                    raw.open_buffer(io.BytesIO(self._upload))
                    yield raw
                except rawpy.LibRawNonFatalError as error:
                    raise NotAnImage(
                        f"camera raw ({kind.upper()}) of {self._head.camera} is not read: {_words(error)}"
                    ) from error
        finally:
            raw.close()

    def _by_libraw(self, raw: RawPy) -> Samples:
        """Develop by LibRaw alone: (H, W, 1 | 3)."""
        import rawpy  # noqa: PLC0415

        colours = raw.postprocess(
            demosaic_algorithm=rawpy.DemosaicAlgorithm.AHD,
            use_camera_wb=True,
            no_auto_bright=True,
            adjust_maximum_thr=0.0,
            output_color=rawpy.ColorSpace.Rec2020,
            gamma=(2.4, 12.92),
            output_bps=16,
            user_flip=0,
        )
        samples = np.asarray(colours, np.uint16).reshape(*colours.shape[:2], -1)
        if samples.shape[:2] != (self.header.height, self.header.width):
            raise CorruptImage(f"the {self.header.format.upper()} holds another picture than it tells")
        return samples

    def _by_demosaic(self, raw: RawPy) -> Samples | None:
        """Develop with `demosaic`: (H, W, 3); None where that is not to be had."""
        colours = colours_of(raw, self._head.pattern)
        if self.demosaic is None or colours is None:
            return None
        measured = raw.raw_image_visible
        if measured.shape != colours.shape or measured.shape != (self.header.height, self.header.width):
            raise CorruptImage(f"the {self.header.format.upper()} holds another picture than it tells")
        mosaic, pattern = encoded_mosaic(measured, colours, levels_of(raw))
        channels = np.empty((3, *measured.shape), np.uint16)
        self.demosaic(mosaic, pattern, channels)
        return in_rec_2020(channels, REC_2020_OF_SRGB @ srgb_of_camera(raw))


def colours_of(raw: RawPy, told: Sequence[str]) -> npt.NDArray[np.uint8] | None:
    """Return what each pixel measured, (H, W): 0 red, 1 green, 2 blue, 3 the other green; None without such a mosaic.

    Args:
        told: rows of the pattern's period, in letters, if the file tells them: LibRaw reads 2x2 and 6x6 only.
    """
    import rawpy  # noqa: PLC0415

    sizes = raw.sizes
    if raw.raw_type != rawpy.RawType.Flat or sizes.pixel_aspect != 1.0:
        return None
    if told:
        period = np.array([["RGB".index(letter) for letter in row] for row in told], np.uint8)
        repeats = (-(-sizes.height // period.shape[0]), -(-sizes.width // period.shape[1]))
        return np.tile(period, repeats)[: sizes.height, : sizes.width]
    is_known = raw.raw_pattern is not None and raw.num_colors == 3 and raw.color_desc in (b"RGBG", b"RGB")
    return raw.raw_colors_visible if is_known else None


def levels_of(raw: RawPy) -> tuple[Floats, Floats]:
    """Return for each of the four kinds of pixels the level of black, and by how much light above it is multiplied.

    The least multiplied channel reaches 1 where the sensor is saturated, so saturated places are white.
    """
    told = raw.camera_whitebalance if raw.camera_whitebalance[0] > 0 else raw.daylight_whitebalance
    balance = np.array([told[0], told[1], told[2], told[3] or told[1]], np.float64)
    if not (np.isfinite(balance).all() and (balance > 0).all()):
        balance = np.ones(4)
    black = np.array(raw.black_level_per_channel, np.float64)
    span = max(1.0, raw.white_level - black.min())
    return black, balance / balance.min() / span


def encoded_mosaic(
    measured: Samples, colours: npt.NDArray[np.uint8], levels: tuple[Floats, Floats]
) -> tuple[Array, Array]:
    """Return the mosaic (1, H, W), encoded by sRGB's curve, and the pattern (3, H, W), 255 where it measured a channel.

    Args:
        measured: (H, W).
        colours: as of `colours_of`.
        levels: as of `levels_of`.
    """
    black, gain = levels
    light = (np.arange(FULL + 1) - black[:, None]) * gain[:, None]
    tables = (encoded(light.clip(0, 1)) * FULL).round().astype(np.uint16)
    mosaic = np.empty((1, *measured.shape), np.uint16)
    pattern = np.empty((3, *measured.shape), np.uint8)
    channel = np.array([0, 1, 2, 1], np.uint8)
    for rows in strips(*measured.shape):
        mosaic[0, rows] = tables[colours[rows], measured[rows]]
        found = channel[colours[rows]]
        for index, plane in enumerate(pattern):
            np.multiply(found == index, 255, out=plane[rows], casting="unsafe")
    return mosaic, pattern


def srgb_of_camera(raw: RawPy) -> Floats:
    """Return the matrix (3, 3) from a camera's balanced channels to linear sRGB, as LibRaw finds it; grey stays so."""
    told = np.array(raw.color_matrix, np.float64)[:3, :3]
    if told[0, 0] > LEAST_TOLD:
        return told
    camera = np.array(raw.rgb_xyz_matrix, np.float64)[:3] @ XYZ_OF_SRGB
    sums = camera.sum(axis=1, keepdims=True)
    if (sums <= 0).any() or abs(np.linalg.det(camera)) < 1e-6:
        return np.eye(3)
    matrix: Floats = np.linalg.inv(camera / sums)
    return matrix


def in_rec_2020(channels: Samples, matrix: Floats) -> Samples:
    """Return (H, W, 3), encoded, of a camera's encoded channels (3, H, W).

    Args:
        matrix: from the camera's linear channels to linear Rec. 2020.
    """
    light_of, encoded_of = _tables()
    weights = matrix.astype(np.float32)
    result = np.empty((*channels.shape[1:], 3), np.uint16)
    for rows in strips(*channels.shape[1:]):
        light = light_of[channels[:, rows]]
        for index, row in enumerate(weights):
            mixed = np.einsum("c,chw->hw", row, light).clip(0, 1) * FULL
            result[rows, :, index] = encoded_of[mixed.round().astype(np.uint16)]
    return result


def encoded(light: Floats) -> Floats:
    """Return light in [0, 1] by sRGB's curve."""
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light.clip(0.0031308) ** (1 / 2.4) - 0.055)


@functools.cache
def _tables() -> tuple[npt.NDArray[np.float32], Samples]:
    """Return the light of each encoded value, and the encoded value of light, of 16 bits each."""
    values = np.arange(FULL + 1) / FULL
    light = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return light.astype(np.float32), (encoded(values) * FULL).round().astype(np.uint16)


def _words(error: Exception) -> str:
    """Return LibRaw's message as text."""
    message = error.args[0] if error.args else ""
    text = message.decode("ascii", "replace") if isinstance(message, bytes) else str(message)
    return text[:1].lower() + text[1:] or "LibRaw gives no reason"
