"""`python -m keepsake.api`: serve with the settings of the environment."""

import logging

from keepsake.api.serve import serve
from keepsake.settings import load_settings

logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
serve(load_settings())
