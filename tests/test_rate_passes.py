"""What a search for a rate tells of its passes."""

import math

from semapix._rate import search, watched_passes


def test_passes_are_told_in_their_order():
    asked = []

    def code(mean):
        asked.append(mean)
        return round(1000 * math.exp(2 * mean)), mean

    with watched_passes() as passes:
        found = search(code, 3000, [1000.0, 1500.0, 9000.0])
    assert [one.mean for one in passes] == asked
    assert 2 <= len(asked) <= 4
    fitting = [one for one in passes if one.log_size <= math.log(3000)]
    assert found == max(fitting, key=lambda one: one.log_size).mean
    search(code, 3000, [1000.0, 1500.0, 9000.0])
    assert len(asked) == 2 * len(passes)
