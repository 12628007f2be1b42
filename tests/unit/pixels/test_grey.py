import torch

from photorestore.pixels.grey import for_grey, without_new_colour


def spread(image: torch.Tensor) -> torch.Tensor:
    return image.amax(1) - image.amin(1)


def test_equal_channels_stay_equal_and_colours_gain_none() -> None:
    lq = torch.rand(2, 1, 8, 8).repeat(1, 3, 1, 1)
    lq[:, 0, :4] += 0.02
    pred = torch.rand(2, 3, 8, 8)
    grey = without_new_colour(pred, lq)
    assert (spread(grey)[:, 4:] == 0).all()
    assert (spread(grey) <= spread(lq) + 1e-6).all()
    torch.testing.assert_close(grey.mean(1), pred.mean(1))


def test_only_the_grey_pictures_of_a_batch_change() -> None:
    lq, pred = torch.full((2, 3, 4, 4), 0.5), torch.rand(2, 3, 4, 4)
    mixed = for_grey(pred, lq, torch.tensor([False, True]))
    assert (mixed[0] == pred[0]).all()
    assert (spread(mixed)[1] == 0).all()
