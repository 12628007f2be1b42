"""Places for uploads and answers."""

import pytest

from gateway.errors import TooManyRequests
from gateway.restore.transfers import TransferLimits, Transfers
from photorestore.errors import PayloadTooLarge


def transfers_of(uploads: int = 8, *, has_owners: bool = False) -> Transfers:
    return Transfers(TransferLimits(uploads, 80, 80, has_owners), lambda: 1.0)


def test_uploads_give_their_places_back_when_something_fails() -> None:
    transfers = transfers_of(uploads=1)
    with pytest.raises(RuntimeError), transfers.uploading("a") as place:
        place.grow(7)
        raise RuntimeError
    assert (transfers.uploads.total, transfers.upload_bytes.total) == (0, 0)


def test_an_eighth_is_spared_for_others_where_there_are_owners() -> None:
    for has_owners, most in ((False, 8), (True, 7)):
        transfers = transfers_of(has_owners=has_owners)
        with transfers.answering("a", 10 * most), pytest.raises(TooManyRequests, match="results"):
            transfers.check_answers("a")
    with transfers.answering("a", 70):
        transfers.check_answers("b")


def test_an_upload_that_never_fits_is_no_matter_of_trying_again() -> None:
    transfers = transfers_of()
    with transfers.uploading("a") as place, transfers.uploading("b") as other:
        place.grow(70)
        with pytest.raises(TooManyRequests):
            other.grow(20)
        with pytest.raises(PayloadTooLarge):
            other.grow(90)
