"""What networks are built of."""

import torch
from torch import nn

from photorestore.fidelity import psnr
from photorestore.networks.blocks import convolve_exactly
from photorestore.networks.precision import BFLOAT16, FLOAT32
from photorestore.networks.runner import load_runner
from tests.conftest import make_photo


def difference() -> nn.Conv2d:
    """A convolution that gives by how much a picture differs from its neighbour on the left."""
    convolution = nn.Conv2d(1, 1, 3, padding=1, bias=False)
    with torch.no_grad():
        convolution.weight.zero_()
        convolution.weight[0, 0, 1, :2] = torch.tensor([-1.0, 1.0])
    return convolution


def test_a_picture_is_not_rounded_before_it_is_convolved() -> None:
    image = torch.tensor([0.9, 0.9003, 0.9, 0.9003]).expand(1, 1, 4, 4)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        rounded, found = difference()(image), convolve_exactly(difference(), image)
    assert rounded[0, 0, 0, 1:].abs().max() == 0  # steps of bfloat16 there are .004
    assert found.dtype == torch.bfloat16
    assert torch.allclose(found[0, 0, 0, 1:].float(), torch.tensor([3e-4, -3e-4, 3e-4]), rtol=0.01)


def test_without_autocast_it_is_the_convolution() -> None:
    image, convolution = torch.rand(1, 1, 8, 8), difference()
    assert torch.equal(convolve_exactly(convolution, image), convolution(image))


def test_denoising_faint_noise_in_bfloat16_costs_next_to_nothing() -> None:
    clean = torch.from_numpy(make_photo(96, 128)).permute(2, 0, 1)[None].float() / 255
    noisy = clean + 3 / 255 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    level = torch.tensor([3 / 255])
    best, other = (
        psnr(load_runner("denoise", precision=precision)(noisy, level), clean)
        for precision in (FLOAT32, BFLOAT16)
    )
    assert best - other < 0.01
