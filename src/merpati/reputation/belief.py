"""What is believed of a provider: how much mail it tolerates, how fast that grows, and how surely.

A Kalman filter over two numbers. A day at the edge measures the tolerance; a clean day only says
that it lies above what was sent, which is a censored measurement: the belief is cut off below, and
the rest is again described by its mean and variance.

Source: R. E. Kalman, "A New Approach to Linear Filtering and Prediction Problems" (1960); for the
moments of a cut-off normal J. Tobin, "Estimation of Relationships for Limited Dependent Variables"
(1958).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

_CERTAIN = 6.0  # standard deviations beyond which a tail is nothing
_SURPRISING = 2.0  # standard deviations beyond which the tolerance must have changed by itself


@dataclass(frozen=True, slots=True)
class Belief:
    """A normal distribution over (level, growth), both as natural logarithms.

    level: of the tolerance in messages a day; growth: of the factor from one day to the next.
    """

    level: float
    growth: float
    level_variance: float
    growth_variance: float
    covariance: float = 0.0

    @property
    def tolerance(self) -> float:
        """Return the median of the tolerance, in messages a day."""
        return math.exp(self.level)

    def quantile(self, deviations: float) -> float:
        """Return the tolerance so many standard deviations above the median."""
        return math.exp(self.level + deviations * math.sqrt(self.level_variance))

    def after_a_day(
        self, growth_share: float, level_variance: float, growth_variance: float
    ) -> Belief:
        """Return the belief a day later, of which this share of a day's growth is expected.

        The variances are what a day adds to the doubt.
        """
        return Belief(
            level=self.level + growth_share * self.growth,
            growth=self.growth,
            level_variance=self.level_variance
            + 2 * growth_share * self.covariance
            + growth_share**2 * self.growth_variance
            + level_variance,
            growth_variance=self.growth_variance + growth_variance,
            covariance=self.covariance + growth_share * self.growth_variance,
        )

    def shifted(self, by: float, variance: float) -> Belief:
        """Return the belief after something moved the level alone, by about this much."""
        return replace(self, level=self.level + by, level_variance=self.level_variance + variance)

    def measured(self, messages: float, error: float) -> Belief:
        """Return the belief once the tolerance was seen; error: standard deviation, logarithmic.

        A tolerance far below what was believed has fallen, so the growth is not to blame.
        """
        surprise = math.log(messages) - self.level
        if surprise < -_SURPRISING * math.sqrt(self.level_variance + error**2):
            return self.shifted(0.0, surprise**2 / 4)._corrected(surprise, error)
        return self._corrected(surprise, error)

    def _corrected(self, surprise: float, error: float) -> Belief:
        variance = self.level_variance + error**2
        return self._pulled(surprise / variance, 1 / variance)

    def above(self, messages: float, error: float) -> Belief:
        """Return the belief once the tolerance proved to lie above so many messages."""
        deviation = math.sqrt(self.level_variance + error**2)
        margin = (self.level - math.log(messages)) / deviation
        if margin > _CERTAIN:
            return self
        hazard = _hazard(margin)
        return self._pulled(hazard / deviation, hazard * (hazard + margin) / deviation**2)

    def _pulled(self, pull: float, weight: float) -> Belief:
        """Return the belief after evidence on the level: what it moves, and what it narrows."""
        return Belief(
            level=self.level + self.level_variance * pull,
            growth=self.growth + self.covariance * pull,
            level_variance=self.level_variance * (1 - weight * self.level_variance),
            growth_variance=self.growth_variance - weight * self.covariance**2,
            covariance=self.covariance * (1 - weight * self.level_variance),
        )

    def with_growth_between(self, lowest: float, highest: float) -> Belief:
        """Return the belief with its growth brought into these bounds."""
        return replace(self, growth=min(highest, max(lowest, self.growth)))


def _hazard(margin: float) -> float:
    """Return the density over the probability below, at so many standard deviations."""
    if margin < -_CERTAIN:
        return -margin  # the limit: both go to nothing
    density = math.exp(-(margin**2) / 2) / math.sqrt(2 * math.pi)
    return density / (0.5 * math.erfc(-margin / math.sqrt(2)))
