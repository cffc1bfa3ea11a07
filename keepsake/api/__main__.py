"""`python -m keepsake.api`: serve with the settings of the environment."""

from keepsake.api.serve import serve
from keepsake.settings import load_settings

serve(load_settings())
