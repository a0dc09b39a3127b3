"""`python -m appliance` is the same as `appliance`."""

from appliance.cli import main

main()
