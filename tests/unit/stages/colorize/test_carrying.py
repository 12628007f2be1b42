import torch

from photorestore.pixels.lab import lab_of, rgb_of
from photorestore.stages.colorize.carrying import Colours, coloured, into_gamut
from photorestore.stages.colorize.spreading import spread


def test_strips_give_what_the_whole_gives() -> None:
    view = torch.rand(1, 3, 32, 32)
    colours = Colours.of(100 * view[:, :1], 20 * view[:, 1:])
    image = torch.rand(1, 1, 50, 70).expand(-1, 3, -1, -1)
    whole = coloured(image, colours, 0, 50, 1.0)
    parts = [coloured(image[:, :, top : top + 16], colours, top, 50, 1.0) for top in range(0, 50, 16)]
    torch.testing.assert_close(torch.cat(parts, 2), whole, atol=1e-5, rtol=0)


def test_colours_follow_edges_of_the_picture_that_the_view_lacks() -> None:
    lightness = torch.full((1, 1, 32, 32), 30.0)
    lightness[..., 16:] = 70
    ab = torch.zeros(1, 2, 32, 32)
    ab[:, 0, :, 16:] = 40
    colours = Colours.of(lightness, ab)
    large = torch.full((1, 1, 256, 256), 30.0)
    large[..., 131:] = 70  # not where a pixel of the view ends
    found = colours.at(large, 0, 256)[0, 0, 128]
    assert float(found[130]) < 8
    assert float(found[132]) > 32


def test_colours_beyond_srgb_become_paler_and_keep_their_lightness() -> None:
    lab = torch.tensor([[50.0, 120, -120], [97, 0, 90], [3, 60, 0], [0, 50, 50], [100, 50, 50]])
    lab = lab.T[None, :, None]
    image = into_gamut(lab)
    assert float(image.min()) >= 0
    assert float(image.max()) <= 1
    torch.testing.assert_close(lab_of(image)[:, :1], lab[:, :1], atol=0.01, rtol=0)


def test_colours_of_srgb_stay() -> None:
    image = torch.rand(1, 3, 9, 9)
    torch.testing.assert_close(into_gamut(lab_of(image)), image, atol=1e-4, rtol=0)
    torch.testing.assert_close(rgb_of(lab_of(image)), image, atol=1e-4, rtol=0)


def test_what_is_known_spreads_up_to_an_edge() -> None:
    lightness = torch.full((1, 1, 64, 64), 30.0)
    lightness[..., 40:] = 80
    known, weight = torch.zeros(1, 2, 64, 64), torch.zeros(1, 1, 64, 64)
    known[..., 30:34, 10:14], weight[..., 30:34, 10:14] = 20, 10
    found = spread(known, weight, lightness, 1e-4)[0, 0]
    assert float(found[32, 12]) > 15
    assert float(found[10, 35]) > 8
    assert float(found[10, 50]) < 4
