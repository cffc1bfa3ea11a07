"""What assets are made with: thin Dagster resources over keepsake's clients."""
