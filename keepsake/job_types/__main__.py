"""`python -m keepsake.job_types`: run jobs with the settings of the environment."""

from keepsake.job_types.work import work
from keepsake.settings import load_settings

work(load_settings())
