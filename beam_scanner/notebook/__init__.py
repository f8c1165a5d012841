"""What notebooks show: pictures, clips and plots; loaded when something is shown."""
