"""What a campaign will take, before it runs: plan, forecast, minutes, spread."""
