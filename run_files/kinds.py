"""The kinds of values that the files of a run hold: bounds, and the words that name them.

A description completes "<field> must be ...". NaN and the infinities are within no bounds, integers
that a float does not hold are outside of them: tables compute with floats.
"""

from typing import Annotated, Literal

from msgspec import Meta

LARGEST = 2**53

Text = Annotated[str, Meta(description="text in UTF-8")]
Integer = Annotated[int, Meta(ge=-LARGEST, le=LARGEST, description="an integer of at most 2**53")]
Count = Annotated[int, Meta(ge=0, le=LARGEST, description="an integer from 0 to 2**53")]
Percent = Annotated[float, Meta(ge=0, le=100, description="a number from 0 to 100")]
Positive = Annotated[float, Meta(gt=0, le=LARGEST, description="a number above 0")]
Duration = Annotated[float, Meta(ge=0, le=LARGEST, description="a number of seconds")]
Subset = Literal["base", "new", "all"]
