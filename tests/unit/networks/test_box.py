import torch

from photorestore.networks.box import Box


def test_a_part_of_maps_grows_to_their_edges_and_is_found_within_another() -> None:
    image = torch.arange(40.0 * 60).view(1, 1, 40, 60)
    core = Box(8, 24, 16, 32)
    near, all_of_it = core.grown(5, 4, image), core.grown(100, 4, image)
    assert near == (0, 32, 8, 40)
    assert all_of_it == Box.all_of(image) == (0, 40, 0, 60)
    assert torch.equal(core.within(near).of(near.of(image)), core.of(image))
