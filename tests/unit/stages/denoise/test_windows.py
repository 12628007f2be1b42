import torch
from torch.nn import functional as F

from photorestore.stages.denoise.windows import power_of, repeated, sum_of, windows_of, wrapped


def test_filters_are_products_with_windows_that_repeat_beyond_the_borders() -> None:
    image, kernels = torch.randn(2, 7, 9), torch.randn(3, 25)
    around = F.pad(image[:, None], (2,) * 4, mode="circular")
    expected = F.conv2d(around, kernels.view(3, 1, 5, 5)).transpose(0, 1)
    responses = (kernels @ windows_of(repeated(image)).flatten(1)).view(3, 2, 7, 9)
    assert torch.allclose(responses, expected, atol=1e-5)


def test_filtering_backwards_is_the_adjoint_and_so_are_the_gradients() -> None:
    image = torch.randn(2, 8, 6, dtype=torch.float64, requires_grad=True)
    other = torch.randn(25, 2, 8, 6, dtype=torch.float64, requires_grad=True)
    there = (windows_of(repeated(image)) * other).sum()
    back = (image * wrapped(sum_of(other))).sum()
    assert torch.allclose(there, back)
    gradients = (torch.autograd.grad(value, (image, other)) for value in (there, back))
    for of_there, of_back in zip(*gradients, strict=True):
        assert torch.allclose(of_there, of_back)


def test_the_power_is_that_of_all_filters_together() -> None:
    kernels = torch.randn(4, 25)
    for size_hw in ((12, 10), (9, 15)):
        expected = torch.fft.rfft2(kernels.view(-1, 5, 5), size_hw).abs().square().sum(0)
        assert torch.allclose(power_of(kernels, size_hw), expected, rtol=1e-4, atol=1e-3)
