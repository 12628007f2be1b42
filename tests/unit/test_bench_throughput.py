from bench.throughput import with_cells_before


def row(megapixels: float, batch: int, seconds: float) -> dict:
    return {"megapixels": megapixels, "batch": batch, "seconds": seconds}


def test_a_size_that_is_measured_alone_leaves_the_others():
    before = {"threads": 2, "eager": [row(0.25, 1, 3.0), row(1.0, 1, 4.0)], "compiled": [row(1.0, 1, 2.0)]}
    now = {"threads": 2, "eager": [row(1.0, 1, 5.0), row(12.0, 1, 6.0)]}
    assert with_cells_before(before, now) == {
        "threads": 2,
        "eager": [row(0.25, 1, 3.0), row(1.0, 1, 5.0), row(12.0, 1, 6.0)],
        "compiled": [row(1.0, 1, 2.0)],
    }


def test_other_settings_begin_anew():
    now = {"threads": 1, "eager": [row(1.0, 1, 5.0)]}
    assert with_cells_before({"threads": 2, "eager": [row(0.25, 1, 3.0)]}, now) == now
    assert with_cells_before({}, now) == now
