"""What the measurements were made on and with: machine, software, engines and model, exactly."""
