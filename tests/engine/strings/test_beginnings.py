"""With how much some texts, or lists of tokens, begin alike."""

import pytest

from composer.values.beginnings import common_length


@pytest.mark.parametrize(
    ("rows", "length"),
    [
        ([b"abc"], 3),
        ([b"abc", b"ab", b"abd"], 2),
        ([b"b", b"a"], 0),
        ([b"", b"a"], 0),
        ([[2, 10, 3], [2, 10], [2, 10, 1]], 2),
        ([[2, 10], [2, 9]], 1),
    ],
)
def test_all_rows_begin_alike_up_to_there(rows, length):
    assert common_length(rows) == length
    assert all(row[:length] == rows[0][:length] for row in rows)
