"""What a search for a rate tells of the files that it makes."""

import math

from semapix._budget import Budget
from semapix._rate import search
from semapix._watch import watched_codings


def test_codings_are_told_in_their_order():
    asked = []

    def analyse(mean):
        def code(thrift):
            asked.append((mean, thrift))
            return round(1010 * 3**mean * math.exp(-0.05 * thrift)), (mean, thrift)

        return code

    with watched_codings() as codings:
        found = search(analyse, Budget(2000), [1000.0, 3000.0])
    assert [(one.mean, one.thrift) for one in codings] == asked
    assert {one.thrift == 0 for one in codings} == {True, False}
    fitting = [one for one in codings if one.log_size <= math.log(2000)]
    best = max(fitting, key=lambda one: one.log_size)
    assert found == (best.mean, best.thrift)
    search(analyse, Budget(2000), [1000.0, 3000.0])
    assert len(asked) == 2 * len(codings)
