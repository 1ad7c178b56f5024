import json, sys
import pandas as pd

path, since = sys.argv[1:]
flows = pd.read_parquet(path, dtype_backend="pyarrow")
assert str(flows.time.dtype) == "timestamp[us, tz=UTC][pyarrow]", flows.time.dtype
assert str(flows.source_port.dtype) == "uint16[pyarrow]", flows.source_port.dtype
policies = [policy for policies in flows.ingress_policies for policy in policies]
losses = [loss for losses in flows.losses for loss in losses]
print(json.dumps({
    "rows": len(flows),
    "first": int(flows.time.astype("datetime64[us, UTC]").astype("int64").min()),
    "last": int(flows.time.astype("datetime64[us, UTC]").astype("int64").max()),
    "since": int((flows.time >= pd.Timestamp(since)).sum()),
    "dropped": int(flows.drop_reason.notna().sum()),
    "policies": len(policies),
    "rules": sum(policy["rule"] is not None for policy in policies),
    "lost": int(sum(loss["count"] for loss in losses)),
    "most_bytes": str(int(flows.bytes.max())),
    "outward": int((flows.destination_ip == "2001:db8::1").sum()),
}))
