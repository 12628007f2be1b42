"""What a federation does together, and what a site is asked to do in a round."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from training.schedule import cosine


class Refusal(ValueError):
    """A site does not do what it is asked. Its words are sent; those of other errors stay at the site."""


@dataclass(frozen=True, slots=True)
class Task:
    """What a site does in a round.

    Attributes:
        round: counted from 1.
        steps: updates of the network.
        learning_rate, final_learning_rate: at the begin and at the end of the round.
        alignment: weight of the penalty of `alignment`; 0 for none.
    """

    round: int
    steps: int
    learning_rate: float
    final_learning_rate: float
    alignment: float

    def values(self) -> dict[str, int | float]:
        """Return the task as named values, as they are sent."""
        return asdict(self)

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """Read a task from named values; names that are not known are passed over.

        Raises:
            Refusal: one is missing, or of another kind.
        """
        found = {}
        for name in cls.__dataclass_fields__:
            kind = int if name in ("round", "steps") else float
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
    learning_rate: float  # of the first round; falls along half a cosine over all of them
    final_learning_rate: float
    alignment: float  # weight of the penalty of `alignment`; 0.0 for none, and then no statistics are sent
    least_sites: int  # a round begins when so many are there, and counts when so many answers do
    wait_s: float  # for the sites' answers, in a round
    clip: float  # norm of an update's difference, against the norm of the weights, to which it is scaled back
    most_change: float  # the same, beyond which an update does not count at all
    most_pictures: int  # that a site may say it has: they are its weight in the mean

    def task(self, number: int) -> Task:
        """Return what each site does in round `number`, counted from 1."""
        begin, end = (
            cosine(done / self.rounds, 0, top=self.learning_rate, bottom=self.final_learning_rate, warm_up=1)
            for done in (number - 1, number)
        )
        return Task(number, self.steps, begin, end, self.alignment)
