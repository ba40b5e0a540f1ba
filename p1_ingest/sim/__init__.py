"""The stand-in venue: a synthetic market that speaks CoinGlass v4 over loopback."""
