"""`python -m keepsake.jobs`: run jobs with the settings of the environment."""

from keepsake.job_types.work import work
from keepsake.settings import load_settings

work(load_settings())
