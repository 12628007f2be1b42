import pytest
import torch

from photorestore.networks.box import Box
from photorestore.networks.runner import Runner
from photorestore.networks.vae import VAE, LayerNorm2d
from photorestore.stages.translate import network as translate_network
from photorestore.stages.translate.fusion import Fusion, _mean_3x3, smooth_fill
from photorestore.stages.translate.latent_mapping import KeyView, PartialNonLocal, hole_at_stride
from photorestore.stages.translate.network import VIEW_PX, Translator, shrink

CPU = torch.device("cpu")
SMALL = {
    "latent": 8, "vae_width": 8, "mapping_width": 8, "mapping_depth": 2, "fusion_width": 8, "fusion_depth": 1
}  # fmt: skip


def small_network(seed: int = 0) -> Translator:
    """Random weights everywhere, also where training starts at zero."""
    torch.manual_seed(seed)
    network = Translator(**SMALL)
    for name, parameter in network.named_parameters():
        if parameter.dim() > 1:
            torch.nn.init.kaiming_uniform_(parameter, a=1.5)
        elif "norm" not in name:
            torch.nn.init.uniform_(parameter, -0.1, 0.1)
    return network.eval().requires_grad_(False)


def random_keys(n: int, k: int, width: int) -> KeyView:
    usable = torch.ones(n, k)
    usable[:, k // 2 :] = 0
    return KeyView(torch.randn(n, k, width), usable)


def block_with_weights(width: int = 8) -> PartialNonLocal:
    block = PartialNonLocal(width, inner=4)
    torch.nn.init.normal_(block.w.weight)
    return block.eval().requires_grad_(False)


def half_hole(n: int, h: int, w: int) -> torch.Tensor:
    hole = torch.zeros(n, 1, h, w)
    hole[..., : w // 2] = 1
    return hole


def test_keys_in_holes_have_no_influence() -> None:
    block, keys, features = block_with_weights(), random_keys(2, 10, 8), torch.randn(2, 8, 6, 6)
    other = KeyView(keys.features.clone(), keys.usable)
    other.features[:, 5:] = 100 * torch.randn(2, 5, 8)
    hole = torch.ones(2, 1, 6, 6)
    assert torch.equal(block(features, hole, keys), block(features, hole, other))


def test_only_holes_are_replaced() -> None:
    block, features, hole = block_with_weights(), torch.randn(2, 8, 6, 6), half_hole(2, 6, 6)
    out = block(features, hole, random_keys(2, 10, 8))
    assert torch.equal(out[..., 3:], features[..., 3:])
    assert not torch.allclose(out[..., :3], features[..., :3])


def test_attending_from_holes_alone_fills_them_as_attending_from_everywhere(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    block, features, keys = block_with_weights(), torch.randn(3, 8, 6, 5), random_keys(3, 10, 8)
    hole = half_hole(3, 6, 5) * torch.tensor([1.0, 0.0, 1.0]).view(-1, 1, 1, 1)
    hole[0, :, 4:] = 0
    filled = block(features, hole, keys)
    monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
    assert torch.allclose(filled, block(features, hole, keys), atol=1e-5)
    assert torch.equal(filled[1], features[1])


def test_a_new_block_is_the_identity() -> None:
    block, features = PartialNonLocal(8), torch.randn(1, 8, 5, 7)
    assert torch.equal(block(features, torch.ones(1, 1, 5, 7), random_keys(1, 4, 8)), features)


def test_a_picture_that_is_one_hole_gives_numbers_and_no_keys() -> None:
    block, features = block_with_weights(), torch.randn(1, 8, 4, 4)
    nothing = KeyView(torch.randn(1, 6, 8), torch.zeros(1, 6))
    out = block(features, torch.ones(1, 1, 4, 4), nothing)
    assert torch.allclose(out, features + block.w.bias.view(1, 8, 1, 1), atol=1e-6)


def test_attention_is_a_convex_mix_of_usable_values() -> None:
    block, keys = block_with_weights(), random_keys(1, 10, 8)
    features = torch.randn(1, 8, 3, 3)
    queries = block.theta(features.flatten(2).transpose(1, 2))
    affinity = torch.softmax(queries @ block.phi(keys.features[:, :5]).mT / 4**0.5, dim=-1)
    expected = block.w(affinity @ block.g(keys.features[:, :5])).transpose(1, 2).reshape(1, 8, 3, 3)
    out = block(features, torch.ones(1, 1, 3, 3), keys)
    assert torch.allclose(out, features + expected, atol=1e-5)


def test_short_views_are_filled_up_with_forbidden_keys() -> None:
    block, features = block_with_weights(), torch.randn(2, 8, 4, 4)
    views = [random_keys(1, 10, 8), random_keys(1, 6, 8)]
    hole = torch.ones(2, 1, 4, 4)
    together = block(features, hole, KeyView.collate(views))
    for index, view in enumerate(views):
        alone = block(features[index : index + 1], hole[:1], view)
        assert torch.allclose(together[index : index + 1], alone, atol=1e-6)


def test_norm_looks_at_one_place_only() -> None:
    norm, features = LayerNorm2d(8), torch.randn(1, 8, 6, 6)
    other = features.clone()
    other[..., 3:, :] += 10
    assert torch.equal(norm(features)[..., :3, :], norm(other)[..., :3, :])


def test_vae_keeps_the_size_and_draws_only_when_asked() -> None:
    vae, image = VAE(8, 8), torch.rand(2, 3, 16, 24)
    assert vae.encode(image).shape == (2, 8, 4, 6)
    assert vae.decode(vae.encode(image)).shape == image.shape
    assert not torch.equal(vae(image)[0], vae(image)[0])


def test_smooth_filling_spreads_the_colours_around_and_looks_at_no_hole() -> None:
    image, hole = torch.empty(1, 3, 64, 64).fill_(0.3), half_hole(1, 64, 64)
    hole[..., 16:] = 0
    garbage = torch.where(hole > 0, torch.rand(1, 3, 64, 64), image)
    assert torch.allclose(smooth_fill(garbage, hole), image, atol=1e-3)


def test_the_mean_of_neighbours_repeats_the_border() -> None:
    image = torch.rand(2, 3, 5, 4)
    padded = torch.nn.functional.pad(image, (1, 1, 1, 1), mode="replicate")
    assert torch.allclose(_mean_3x3(image), torch.nn.functional.avg_pool2d(padded, 3, 1))


def test_smooth_filling_continues_a_slope() -> None:
    slope = torch.linspace(0, 1, 64).expand(1, 3, 64, 64)
    hole = torch.zeros(1, 1, 64, 64)
    hole[..., 20:44, 28:36] = 1
    assert (smooth_fill(slope, hole) - slope).abs().max() < 0.01


@pytest.mark.parametrize("hw", [(4, 4), (17, 31), (64, 48)])
def test_pixels_outside_the_mask_are_equal(hw: tuple[int, int]) -> None:
    network, image = small_network(), torch.rand(2, 3, *hw)
    mask = torch.zeros(2, 1, *hw)
    mask[..., :2, :3] = 1
    out = network(image, mask)
    assert out.shape == image.shape
    assert torch.equal(out * (1 - mask), image * (1 - mask))
    assert not torch.allclose(out * mask, image * mask)


def test_mask_values_blend() -> None:
    network, image = small_network(), torch.rand(1, 3, 16, 16)
    full, half = (network(image, torch.full((1, 1, 16, 16), share)) for share in (1.0, 0.5))
    assert torch.allclose(half, (image + full) / 2, atol=1e-5)


def test_the_view_is_bounded_and_keeps_every_hole() -> None:
    image, mask = torch.rand(1, 3, 300, 1001), torch.zeros(1, 1, 300, 1001)
    mask[0, 0, 150, 500] = 1
    view, view_mask = shrink(image, mask)
    assert max(view.shape[-2:]) <= VIEW_PX
    assert view_mask.sum() >= 1
    assert small_network().key_view(image, mask).usable.shape[1] <= 1024


def test_a_hole_anywhere_in_a_block_makes_its_latent_a_hole() -> None:
    mask = torch.zeros(1, 1, 8, 8)
    mask[0, 0, 3, 4] = 0.2
    assert hole_at_stride(mask).flatten().tolist() == [0, 1, 0, 0]


def test_certainty_reaches_the_filling_and_is_full_where_nobody_says_otherwise() -> None:
    network, image, hole = small_network(), torch.rand(1, 3, 48, 64), half_hole(1, 48, 64)
    keys = network.key_view(image, hole)
    certain = network(image, hole, keys)
    assert torch.equal(certain, network(image, hole, keys, torch.ones_like(hole)))
    doubtful = network(image, hole, keys, torch.full_like(hole, 0.5))
    assert not torch.allclose(doubtful[..., :32], certain[..., :32])
    assert torch.equal(doubtful[..., 32:], image[..., 32:])


def test_what_the_paper_delivers_is_a_part_of_the_contract() -> None:
    network, image, hole = small_network(), torch.rand(1, 3, 48, 64), half_hole(1, 48, 64)
    expected, _ = network.translate_and_fuse(image, hole, network.key_view(image, hole))
    decoded = Runner(network, precision="float32").part("decoded")
    torch.testing.assert_close(decoded(image, hole), expected.clamp(0, 1))
    assert decoded(image[..., :41, :63], hole[..., :41, :63]).shape == (1, 3, 41, 63)


@pytest.mark.parametrize(
    "kept", [Box(0, 48, 0, 64), Box(0, 8, 0, 4), Box(20, 24, 32, 44), Box(40, 48, 4, 64)]
)
def test_a_part_of_a_fusion_is_that_part_of_all_of_it(kept: Box) -> None:
    fusion = small_network().fusion
    squares = torch.randn(1, 40, 24, 32)
    expected = kept.of(fusion._judge(squares, Box(0, 48, 0, 64)))
    torch.testing.assert_close(fusion._judge(squares, kept), expected)


def test_only_what_holes_need_is_fused_and_the_filling_is_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    network, image, mask = small_network(), torch.rand(1, 3, 144, 160), torch.zeros(1, 1, 144, 160)
    for top, left in ((0, 0), (70, 6), (77, 90), (142, 157)):
        mask[..., top : top + 3, left : left + 4] = 1
    fused, judge = [], Fusion._judge

    def watched(self: Fusion, squares: torch.Tensor, kept: Box) -> torch.Tensor:
        fused.append(4 * squares[0, 0].numel())
        return judge(self, squares, kept)

    monkeypatch.setattr(Fusion, "_judge", watched)
    found = network(image, mask)
    assert len(fused) > 1
    assert sum(fused) < 0.5 * image[0, 0].numel()
    monkeypatch.setattr(translate_network, "_parts", lambda _hole, core: [core])
    torch.testing.assert_close(found, network(image, mask))
    assert torch.equal(found * (1 - mask), image * (1 - mask))


def test_of_several_pictures_together_all_is_fused() -> None:
    hole = torch.zeros(2, 1, 32, 32)
    hole[0, 0, 3, 9] = 1
    assert translate_network._parts(hole, Box(0, 32, 16, 32)) == [Box(0, 32, 16, 32)]
    assert translate_network._parts(hole[:1], Box(0, 32, 0, 32)) == [Box(0, 4, 8, 12)]
    assert translate_network._parts(hole[:1], Box(0, 32, 16, 32)) == []
