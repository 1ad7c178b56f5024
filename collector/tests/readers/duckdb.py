import json, sys, duckdb

path, since = sys.argv[1:]
row = duckdb.execute("""
    SELECT count(*)                                                    AS rows,
           epoch_us(min(time))                                         AS first,
           epoch_us(max(time))                                         AS last,
           count(*) FILTER (time >= $since::TIMESTAMPTZ)               AS since,
           count(drop_reason)                                          AS dropped,
           sum(len(ingress_policies))                                  AS policies,
           sum(len(list_filter(ingress_policies, lambda p: p.rule IS NOT NULL))) AS rules,
           sum(list_sum(list_transform(losses, lambda l: l.count)))    AS lost,
           max(bytes)::VARCHAR                                         AS most_bytes,
           count(*) FILTER (destination_ip = '2001:db8::1')            AS outward
    FROM read_parquet($path)""", {"path": path, "since": since})
names = [column[0] for column in row.description]
print(json.dumps(dict(zip(names, (v if isinstance(v, str) else int(v) for v in row.fetchone())))))
