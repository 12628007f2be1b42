"""What a federation does together, and what a site is asked to do in a round."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self, get_type_hints


class Refusal(ValueError):
    """A site does not do what it is asked. Its words are sent; those of other errors stay at the site."""


@dataclass(frozen=True, slots=True)
class Task:
    """What a site does in a round.

    Attributes:
        round, rounds: which round it is, counted from 1, and how many there are: the learning rate goes by it.
        steps: updates of the network in a round.
        learning_rate, final_learning_rate: at the begin and at the end of the federation.
        alignment: weight of the penalty of `alignment`; 0 for none.
        is_measured: whether the site measures its held-out pictures after the round.
    """

    round: int
    rounds: int
    steps: int
    learning_rate: float
    final_learning_rate: float
    alignment: float
    is_measured: bool

    def values(self) -> dict[str, int | float | bool]:
        """Return the task as named values, as they are sent."""
        return asdict(self)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Read a task from named values; names that are not known are passed over.

        Raises:
            Refusal: one is missing, or of another kind.
        """
        found = {}
        for name, kind in get_type_hints(cls).items():
            if type(values.get(name)) is not kind:
                raise Refusal(f"a task's {name} is {values.get(name)!r:.40}; expected {kind.__name__}")
            found[name] = values[name]
        return cls(**found)


@dataclass(frozen=True, slots=True)
class Plan:
    """A federation: the table that `server` and `simulate` read."""

    tier: str  # of the weights that come out
    rounds: int
    steps: int  # of each site in a round
    learning_rate: float  # falls along half a cosine over all rounds
    final_learning_rate: float
    measure_every: int  # rounds after which sites measure held-out pictures; and after the last
    by_pictures: bool  # each site counts by its pictures; otherwise all alike
    alignment: float  # weight of the penalty of `alignment`; 0.0 for none, and then no statistics are sent
    least_sites: int  # a round begins when so many are there, and counts when so many answers do
    wait_s: float  # for the sites' answers, in a round
    clip: float  # norm of an update's difference, against the norm of the weights, to which it is scaled back
    most_change: float  # the same, beyond which an update does not count at all
    most_pictures: int  # that a site may say it has

    def task(self, number: int) -> Task:
        """Return what each site does in round `number`, counted from 1."""
        is_measured = number % self.measure_every == 0 or number == self.rounds
        return Task(
            number, self.rounds, self.steps, self.learning_rate, self.final_learning_rate, self.alignment,
            is_measured,
        )  # fmt: skip
