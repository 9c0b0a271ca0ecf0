"""Fixtures of DealRadar for the tests of this folder."""

from fixtures.dealradar.deals import author, deal, new_deal

__all__ = ["author", "deal", "new_deal"]
