-- When each probe is measured again, and until when what it measured may be believed: on the row of
-- `keepsake_probe_success` whose label is the probe's name.
ALTER TABLE probes ADD COLUMN next_at timestamptz, ADD COLUMN valid_until timestamptz;

-- What is put off since a service is down, which alerts look at: few rows, and none while all is well.
CREATE INDEX ledger_service_down ON ledger (line, step)
    WHERE due_at IS NOT NULL AND error_type IN ('EndpointDown', 'Unreachable');
