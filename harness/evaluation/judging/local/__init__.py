"""An open text model on this machine's own devices as judge, with neither key nor endpoint."""
