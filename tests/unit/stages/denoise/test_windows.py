import torch
from torch.nn import functional as F

from photorestore.stages.denoise.windows import filtered_back, power_of, repeated, responses_of, wrapped


def test_planes_are_filtered_as_if_they_repeated_beyond_their_borders() -> None:
    image, kernels = torch.randn(2, 7, 9), torch.randn(3, 25)
    responses = responses_of(repeated(image), kernels)
    expected = torch.fft.irfft2(
        torch.fft.rfft2(image)[:, None] * torch.fft.rfft2(kernels.view(-1, 5, 5), (7, 9)).conj(), (7, 9)
    )
    assert torch.allclose(responses.roll((-2, -2), (2, 3)), expected, atol=1e-5)


def test_filtering_backwards_is_the_adjoint_and_so_are_the_gradients() -> None:
    image = torch.randn(2, 8, 6, dtype=torch.float64, requires_grad=True)
    other = torch.randn(2, 3, 8, 6, dtype=torch.float64, requires_grad=True)
    kernels = torch.randn(3, 25, dtype=torch.float64)
    there = (responses_of(repeated(image), kernels) * other).sum()
    back = (image * wrapped(filtered_back(other, kernels))).sum()
    assert torch.allclose(there, back)
    gradients = (torch.autograd.grad(value, (image, other)) for value in (there, back))
    for of_there, of_back in zip(*gradients, strict=True):
        assert torch.allclose(of_there, of_back)


def test_the_power_is_that_of_all_filters_together_each_with_its_factor() -> None:
    kernels, factors = torch.randn(4, 25), torch.rand(4, 1) + 0.5
    for size_hw in ((12, 10), (9, 15)):
        spectra = torch.fft.rfft2(kernels.view(-1, 5, 5), size_hw).abs().square()
        expected = (factors[..., None] * spectra).sum(0)
        assert torch.allclose(power_of(kernels, factors * kernels, size_hw), expected, rtol=1e-4, atol=1e-3)


def test_windows_add_up_where_they_overlap() -> None:
    changes = torch.rand(1, 1, 3, 4)
    total = filtered_back(changes, torch.ones(1, 25))
    assert torch.allclose(total, F.conv2d(F.pad(changes, (4, 4, 4, 4)), torch.ones(1, 1, 5, 5))[0])
