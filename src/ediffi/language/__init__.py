"""From a prompt as it is typed to the words that a model was taught."""

from ediffi.language.nearest import Offer, grouped
from ediffi.language.tracked import Span, Tracked
from ediffi.language.understood import Understood, understand
from ediffi.language.vocabulary import Vocabulary

__all__ = ["Offer", "Span", "Tracked", "Understood", "Vocabulary", "grouped", "understand"]
