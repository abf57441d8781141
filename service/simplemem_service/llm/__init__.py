"""Language models: what is asked of them, which one answers, what it costs and how much it may."""
