import numpy as np

from photorestore.pixels.squares import CELL_PX, frequency_bands, split, transform, without_plane


def test_cells_lie_where_their_pixels_are() -> None:
    planes = np.arange(2 * 32 * 48).reshape(2, 32, 48)
    cells = split(planes)
    assert cells.shape == (2, 2, 3, CELL_PX**2)
    for row in range(2):
        for column in range(3):
            part = planes[:, row * 16 : row * 16 + 16, column * 16 : column * 16 + 16]
            assert (cells[:, row, column] == part.reshape(2, -1)).all()


def test_slopes_are_taken_out_of_a_cell_and_nothing_else() -> None:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:CELL_PX, :CELL_PX].reshape(2, -1)
    slope = (3 + 2 * x - 0.5 * y).astype(np.float32)
    assert abs(without_plane(slope[np.newaxis])).max() < 1e-3
    wave = np.cos(2 * np.pi * 3 * (x + 0.5) / CELL_PX).astype(np.float32)  # orthogonal to all planes
    np.testing.assert_allclose(without_plane((slope + wave)[np.newaxis])[0], wave, atol=1e-3)
    noise = rng.standard_normal((50, CELL_PX**2)).astype(np.float32)
    once = without_plane(noise)
    np.testing.assert_allclose(without_plane(once), once, atol=1e-5)


def test_the_transform_keeps_energies_and_separates_waves() -> None:
    waves = transform()
    np.testing.assert_allclose(waves @ waves.T, np.eye(CELL_PX**2), atol=1e-5)
    _, x = np.mgrid[:CELL_PX, :CELL_PX].reshape(2, -1)
    wave = np.cos(np.pi * (2 * x + 1) * 5 / (2 * CELL_PX))
    coefficients = abs(wave @ waves)
    assert coefficients.argmax() == 5
    assert coefficients[5] ** 2 / (coefficients**2).sum() > 0.999


def test_each_frequency_is_in_at_most_one_band_and_fine_ones_are_in_one() -> None:
    members = frequency_bands() > 0
    assert (members.sum(axis=0) <= 1).all()
    down, across = np.mgrid[:CELL_PX, :CELL_PX].reshape(2, -1)
    assert members[:, np.hypot(down, across) >= 2].any(axis=0).all()
    assert not members[:, (down + across) <= 1].any(), "what slopes, and the mean"


def test_energies_of_bands_are_those_of_the_samples() -> None:
    noise = np.random.default_rng(0).normal(0, 5, (400, CELL_PX**2)).astype(np.float32)
    energy = ((noise @ transform()) ** 2 @ frequency_bands().T).mean(axis=0)
    shares = (frequency_bands() > 0).sum(axis=1) / CELL_PX**2
    np.testing.assert_allclose(energy, 25 * shares, rtol=0.1)
