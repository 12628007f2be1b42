from pathlib import Path

import pytest
import torch

from training.place import Place, command_line, place_of


def place_from(*line: str, more: tuple[str, ...] = ()) -> Place:
    return place_of(command_line("denoise", "", *more).parse_args(line))


def test_a_command_line_names_a_place() -> None:
    line = ("--data=pictures", "--begin=old.safetensors", "--minutes=3", "--threads=1", "--device=cpu")
    assert place_from(*line) == Place(
        data=Path("pictures"), begin=Path("old.safetensors"), minutes=3.0, threads=1
    )


def test_what_a_script_does_not_take_is_refused_and_stays_as_it_is() -> None:
    with pytest.raises(SystemExit):
        place_from("--masks=elsewhere")
    assert place_from("--device=cpu").masks == Place().masks
    taken = place_from("--masks=elsewhere", "--workers=2", "--compile", more=("masks", "workers", "compile"))
    assert (taken.masks, taken.workers, taken.compiled) == (Path("elsewhere"), 2, True)


def test_a_network_is_taken_in_channels_last() -> None:
    network = Place().take(torch.nn.Conv2d(3, 4, 3))
    assert network.weight.is_contiguous(memory_format=torch.channels_last)
