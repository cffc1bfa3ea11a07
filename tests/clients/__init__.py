"""The clients, against doubles of the providers that speak their protocols over loopback HTTP."""
